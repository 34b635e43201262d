/** Writes drafts for measurements: with or without an adapter, through ml's own engine. */
import { sha256OfFile } from "../../../ml/models/model_file.ts";
import { generateRequestSchema } from "../../../contract/ml.ts";
import type { AdapterFile, Engine, GenerationRequest } from "../../../ml/engine/engine.ts";
import { createLlamaEngine } from "../../../ml/engine/llama/llama.ts";
import { silentLogger } from "../../../lib/log.ts";

const MODEL_ID = "small";
const CONTEXT_SIZE = 2_048;

export interface DraftWriterOptions {
  modelPath: string;
  /** Absent: the base model alone. */
  adapterPath?: string;
  threads: number;
}

/** How a draft is sampled; what is absent is as ml has it by default, not as the server asks for drafts. */
export type DraftSampling = Partial<
  Pick<GenerationRequest, "temperature" | "topP" | "topK" | "minP" | "repeatPenalty" | "maxTokens">
>;

/** A draft to write. */
export interface DraftRequest extends DraftSampling {
  prompt: string;
  seed: number;
}

/** What the model wrote, and the geometric mean probability of its tokens. */
export interface WrittenDraft {
  text: string;
  confidence: number;
}

async function draft(
  engine: Engine,
  request: DraftRequest,
  adapter: AdapterFile | undefined,
): Promise<WrittenDraft> {
  const { prompt, seed, temperature, maxTokens, topP, topK, minP, repeatPenalty } = request;
  const wire = generateRequestSchema.parse({
    prompt,
    temperature,
    max_tokens: maxTokens,
    top_p: topP,
    top_k: topK,
    min_p: minP,
    repeat_penalty: repeatPenalty,
  });
  const { text, confidence } = await engine.generate({
    prompt,
    seed,
    maxTokens: wire.max_tokens,
    temperature: wire.temperature,
    topP: wire.top_p,
    topK: wire.top_k,
    minP: wire.min_p,
    repeatPenalty: wire.repeat_penalty,
    stop: wire.stop,
    adapter,
  });
  return { text, confidence };
}

/** Writes drafts one after the other. */
export async function* writeEachDraft(
  requests: readonly DraftRequest[],
  options: DraftWriterOptions,
): AsyncGenerator<WrittenDraft> {
  const { modelPath, adapterPath, threads } = options;
  await using engine = await createLlamaEngine({
    gpu: "off",
    threads,
    sequences: 1,
    contextSize: CONTEXT_SIZE,
    queueLimit: 0,
    log: silentLogger(),
  });
  await engine.load({ id: MODEL_ID, path: modelPath });
  const adapter = adapterPath === undefined ? undefined : {
    id: "measured",
    path: adapterPath,
    sha256: await sha256OfFile(adapterPath),
    baseModelId: MODEL_ID,
    probe: null,
  };
  for (const request of requests) yield await draft(engine, request, adapter);
}

/** The replies to prompts, in their order. */
export async function writeDrafts(
  requests: readonly DraftRequest[],
  options: DraftWriterOptions,
): Promise<string[]> {
  const drafts: string[] = [];
  for await (const { text } of writeEachDraft(requests, options)) drafts.push(text);
  return drafts;
}
