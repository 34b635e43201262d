/** Runs tests with an engine on a tiny model, built in a temporary folder. */
import { join } from "node:path";
import type { GenerationRequest } from "../../../ml/engine/engine.ts";
import {
  createLlamaEngine,
  type LlamaEngineOptions,
  type LocalEngine,
} from "../../../ml/engine/llama/llama.ts";
import { silentLogger } from "../../../lib/log.ts";
import { inTempDir } from "../process/temp_dir.ts";
import { buildTinyGguf, type TinyGgufOptions } from "./tiny_gguf.ts";

/** A transcript to answer. */
export const PROMPT = "Them: are you coming tonight?\nMe:";

/** A request for a short reply, the same each time. */
export function generationRequest(options: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    prompt: PROMPT,
    maxTokens: 12,
    temperature: 0.8,
    topP: 0.95,
    repeatPenalty: 1.1,
    stop: [],
    seed: 1,
    ...options,
  };
}

export interface TinyEngineOptions {
  gguf?: Omit<TinyGgufOptions, "path">;
  engine?: Partial<LlamaEngineOptions>;
}

export interface TinyEngine {
  engine: LocalEngine;
  /** The model's file; its id is "tiny". */
  path: string;
  /** A folder for more files. */
  dir: string;
}

/** Runs a test with an engine that has the tiny model loaded. */
export async function withTinyEngine(
  options: TinyEngineOptions,
  use: (tiny: TinyEngine) => Promise<void>,
): Promise<void> {
  await inTempDir(async (dir) => {
    const path = await buildTinyGguf({ ...options.gguf, path: join(dir, "tiny.gguf") });
    await using engine = await createLlamaEngine({
      gpu: "off",
      threads: 1,
      sequences: 2,
      contextSize: 512,
      queueLimit: 4,
      adapterContexts: 2,
      log: silentLogger(),
      ...options.engine,
    });
    await engine.load({ id: "tiny", path });
    await use({ engine, path, dir });
  });
}
