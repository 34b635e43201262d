/** Generates one reply on a loaded model, with its confidence and timings. */
import type { Token } from "node-llama-cpp";
import type { Timings } from "../../../contract/generation.ts";
import { ApiError } from "../../../lib/errors.ts";
import { endsReply, fitPrompt, promptFormOf, replyCleaner } from "../chat_prompt.ts";
import type { Generation, GenerationOptions, GenerationRequest } from "../engine.ts";
import type { Sequence } from "../libllama/evaluation.ts";
import { sampleLogits } from "../libllama/logits.ts";
import { NativeGrammar, sampleWithin } from "../libllama/native_grammar.ts";
import { ReplyBuilder } from "../reply_builder.ts";
import { jsonGrammarOf } from "./json_grammar.ts";
import type { ServedModel } from "./llama_model.ts";
import {
  DEFAULT_MIN_P,
  DEFAULT_TOP_K,
  randomSeed,
  type SampledToken,
  type SamplingOptions,
  seededRandom,
} from "../sampling.ts";

/** At most this share of the context is reserved for the reply. */
const MAX_REPLY_SHARE = 0.5;

/** A generation and its tokens. */
export interface DetailedGeneration extends Generation {
  /** The prompt as it was evaluated. */
  promptTokens: Token[];
  /** The tokens that make up the text, without end-of-turn token and stop sequence. */
  replyTokens: SampledToken<Token>[];
}

function samplingOf(request: GenerationRequest): Omit<SamplingOptions, "generated"> {
  return {
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK ?? DEFAULT_TOP_K,
    minP: request.minP ?? DEFAULT_MIN_P,
    repeatPenalty: request.repeatPenalty,
    presencePenalty: request.presencePenalty ?? 0,
    frequencyPenalty: request.frequencyPenalty ?? 0,
    random: seededRandom(request.seed ?? randomSeed()),
  };
}

/** The geometric mean of probabilities; 0 for none: an empty reply deserves no confidence. */
export function geometricMean(probabilities: readonly number[]): number {
  if (probabilities.length === 0) return 0;
  const sum = probabilities.reduce((total, probability) => total + Math.log(probability), 0);
  return Math.min(1, Math.exp(sum / probabilities.length));
}

/** Points in time of one generation, from `performance.now()`. */
interface GenerationTimes {
  startedAt: number;
  /** When the first token arrived, and so the prompt was evaluated. */
  promptedAt: number;
  endedAt: number;
}

function timingsOf(
  times: GenerationTimes,
  counts: { prompt: number; cached: number; generated: number },
): Timings {
  const generateMs = times.endedAt - times.promptedAt;
  const round = (value: number) => Math.round(value * 10) / 10;
  return {
    queue_ms: 0,
    prompt_ms: round(times.promptedAt - times.startedAt),
    prompt_tokens: counts.prompt,
    cached_tokens: counts.cached,
    generate_ms: round(generateMs),
    // The first token comes with the prompt, so this time was spent on the others.
    tokens_per_second: counts.generated > 1 ? round((counts.generated - 1) * 1_000 / generateMs) : 0,
  };
}

/** Runs a generation on a sequence. */
async function generateOn(
  { model, loop, adapter, contextSize }: ServedModel,
  { sequence, tokens, grammar }: { sequence: Sequence; tokens: Token[]; grammar: NativeGrammar | null },
  options: GenerationOptions & { request: GenerationRequest; reply: ReplyBuilder<Token> },
): Promise<Omit<DetailedGeneration, "modelId" | "adapterId" | "adapterProof" | "promptTokens">> {
  const { signal, request, reply } = options;
  const startedAt = performance.now();
  let [promptedAt, cachedTokens] = [0, 0];
  const maxTokens = Math.min(request.maxTokens, contextSize - tokens.length);
  const sampling = samplingOf(request);
  const generated: Token[] = [];
  let finishReason: Generation["finishReason"] = "stop";
  const isMisplaced = (token: Token) => endsReply(token, model) && !model.isEogToken(token);
  const sample = (logits: Float32Array) => {
    const options = { ...sampling, generated };
    return grammar
      ? sampleWithin(grammar, logits, { ...options, isMisplaced })
      : sampleLogits(logits, options);
  };
  const next = (logits: Float32Array) => {
    promptedAt ||= performance.now();
    const chosen = sample(logits);
    if (chosen === null || endsReply(chosen.token, model)) return undefined;
    grammar?.accept(chosen.token);
    generated.push(chosen.token);
    if (reply.add(chosen)) return undefined;
    if (reply.length < maxTokens) return chosen.token;
    finishReason = "length";
    return undefined;
  };
  const onStart = (count: number) => cachedTokens = count;
  await loop.run({ sequence, adapter, tokens, outputs: 1, next, onStart, signal });
  const { text, tokens: replyTokens } = reply.end();
  const endedAt = performance.now();
  return {
    text,
    confidence: geometricMean(replyTokens.map(({ probability }) => probability)),
    tokensUsed: reply.length,
    finishReason,
    timings: timingsOf({ startedAt, promptedAt: promptedAt || endedAt, endedAt }, {
      prompt: tokens.length,
      cached: cachedTokens,
      generated: reply.length,
    }),
    replyTokens,
  };
}

/** What a reply is held to; null: nothing. */
async function grammarOf(
  { native, model }: ServedModel,
  { jsonSchema }: GenerationRequest,
): Promise<NativeGrammar | null> {
  if (jsonSchema === undefined) return null;
  const grammar = NativeGrammar.begin(native, await jsonGrammarOf(model.llama, jsonSchema));
  if (grammar !== null) return grammar;
  throw new ApiError("validation_failed", "llama.cpp cannot read the grammar of the JSON schema");
}

/**
 * Generates a reply.
 *
 * @throws ApiError `validation_failed` for a plain text longer than the context, or a schema that makes no grammar; the
 * signal's reason
 */
export async function generateReply(
  loaded: ServedModel,
  request: GenerationRequest,
  options: GenerationOptions,
): Promise<DetailedGeneration> {
  const { model, template, contextSize } = loaded;
  const form = promptFormOf(request.prompt, { raw: request.raw, template });
  const reserved = Math.min(request.maxTokens, Math.floor(contextSize * MAX_REPLY_SHARE));
  const maxTokens = form.transcript ? contextSize - reserved : contextSize - 1;
  const promptTokens = fitPrompt(form, model, { maxTokens });
  const reply = new ReplyBuilder<Token>({
    detokenize: (tokens, before) => model.detokenize(tokens, false, before),
    stop: request.stop,
    verbatim: request.verbatim && form.transcript === null,
    clean: replyCleaner(form),
    onToken: options.onToken,
  });
  const { conversationId } = request;
  using grammar = await grammarOf(loaded, request);
  using lease = loaded.pool.acquire({ tokens: promptTokens, adapter: loaded.adapter, conversationId });
  const run = { sequence: lease.sequence, tokens: promptTokens, grammar };
  const generation = await generateOn(loaded, run, { ...options, request, reply });
  const { id: modelId, adapterId, adapterProof } = loaded;
  return { ...generation, modelId, adapterId, adapterProof, promptTokens };
}
