/** Serves ml over HTTP to OpenAI's own client. */
import OpenAI from "openai";
import { generateResultSchema } from "../../../contract/ml.ts";
import type { Engine } from "../../../ml/engine/engine.ts";
import { type MlService, withMlService } from "./ml_service.ts";
import { PROMPT, withTinyEngine } from "./tiny_gguf_engine.ts";

export const TOKEN = "t0ken";

export interface Served extends MlService {
  client: OpenAI;
  url: string;
}

/** Runs a test on the service around an engine, its model loaded. */
export async function withServed(
  options: { engine: Engine; dir: string },
  use: (served: Served) => Promise<void>,
): Promise<void> {
  await withMlService({ ...options, token: TOKEN }, async (service) => {
    await service.models.start();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, service.fetch);
    const url = `http://127.0.0.1:${server.addr.port}`;
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: TOKEN, maxRetries: 0 });
    try {
      await use({ ...service, client, url });
    } finally {
      await server.shutdown();
    }
  });
}

/** A test on llama.cpp with the tiny model. */
export function clientTest(name: string, use: (served: Served) => Promise<void>): void {
  Deno.test(name, () => withTinyEngine({}, ({ engine, dir }) => withServed({ engine, dir }, use)));
}

/** What `/generate` answers to the same, with the settings of a chat. */
export async function generateBody({ post }: MlService, body: object) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const settings = { prompt: PROMPT, top_p: 1, repeat_penalty: 1, temperature: 0, max_tokens: 12 };
  const response = await post("/generate", { ...settings, ...body }, { headers });
  return generateResultSchema.parse(await response.json());
}
