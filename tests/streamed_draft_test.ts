/** Tests streamed drafts on real services: the model's own pieces, and a model that is free again when its reader leaves. */
import assert from "node:assert/strict";
import { ML_PATHS, pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema, responseListSchema, responseRecordSchema } from "../contract/responses.ts";
import { delay } from "../lib/backoff.ts";
import { createClient, serverSentEventsOf } from "../lib/http/client.ts";
import { pairDevice } from "./support/server/owner_client.ts";
import { type RunningServices, startServices } from "./support/server/running_services.ts";
import { sendMessage } from "./support/server/two_servers.ts";

/** A figure of ml, 0 where it has none. */
async function figure({ ml }: RunningServices, name: string): Promise<number> {
  const text = await (await fetch(ml.url + ML_PATHS.metrics)).text();
  const line = text.split("\n").find((line) => line.includes(name));
  return Number(line?.split(" ").at(-1) ?? 0);
}

const RUNNING = 'ml_engine_requests{state="running"}';
const WRITTEN = 'ml_replies_total{source="model"}';

Deno.test("a real draft comes in pieces that make up its text, and a reader that leaves frees the model", async (t) => {
  await using services = await startServices();
  const { url } = services.server;
  const token = await pairDevice(url);
  const client = createClient({ baseUrl: url, token: () => token });
  const messageId = await sendMessage(client);
  const ask = (options: { accept: string; maxTokens: number; signal?: AbortSignal }) =>
    fetch(url + SERVER_PATHS.generateResponse, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: options.accept,
      },
      body: JSON.stringify({ messageId, context: { maxTokens: options.maxTokens, temperature: 1 } }),
      signal: options.signal,
    });

  await t.step("the pieces make up the text", async () => {
    const response = await ask({ accept: "text/event-stream", maxTokens: 24 });
    assert.ok(response.body);
    const pieces: string[] = [];
    let whole: string | null = null;
    for await (const { event, data } of serverSentEventsOf(response.body)) {
      if (event === "token") pieces.push(JSON.parse(data).text);
      else whole = generatedResponseSchema.parse(JSON.parse(data)).response;
    }
    assert.ok(pieces.length > 1);
    // A draft that its limit ends loses the sentence it breaks off in.
    const written = pieces.join("").trim();
    assert.ok(whole !== null && whole !== "" && written.startsWith(whole), `${written} begins with ${whole}`);
  });

  for (const accept of ["text/event-stream", "application/json"]) {
    await t.step(`a reader of ${accept} that leaves`, async () => {
      const written = await figure(services, WRITTEN);
      const leaving = new AbortController();
      const asked = ask({ accept, maxTokens: 2_048, signal: leaving.signal });
      asked.catch(() => {});
      while (await figure(services, RUNNING) === 0) await delay(5);
      leaving.abort();
      while (await figure(services, RUNNING) > 0) await delay(5);
      assert.equal(await figure(services, WRITTEN), written, "ml wrote the reply to its end");
      const { responses: [draft] } = await client.request("GET", SERVER_PATHS.responses, {
        schema: responseListSchema,
      });
      const path = pathOf(SERVER_PATHS.response, { id: draft?.responseId ?? "" });
      while ((await client.request("GET", path, { schema: responseRecordSchema })).status === "generating") {
        await delay(5);
      }
      assert.equal((await client.request("GET", path, { schema: responseRecordSchema })).status, "cancelled");
    });
  }
});
