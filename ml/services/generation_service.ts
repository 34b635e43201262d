/** Generates and evaluates replies as the wire has it, with the response cache and metrics around the engine. */
import { createHash } from "node:crypto";
import type {
  EvaluateRequest,
  EvaluateResponse,
  GenerateRequest,
  GenerateResult,
} from "../../contract/ml.ts";
import type { ErrorCode } from "../../contract/errors.ts";
import { runSideBySide } from "../../lib/async.ts";
import { ApiError, logFieldsOfError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Metrics } from "../../lib/metrics.ts";
import type { CachedReply, CacheScope, ResponseCache } from "../cache/response_cache.ts";
import type {
  AdapterFile,
  Engine,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
} from "../engine/engine.ts";
import type { AdapterProofs } from "./adapter_proofs.ts";
import type { AdapterService } from "./adapter_service.ts";
import { candidateRequestOf, withCandidates } from "./candidates.ts";

/** Whether equal requests should get the same reply. */
function isRepeatable(request: GenerateRequest): boolean {
  return request.temperature === 0 || request.seed !== undefined || request.cache_key !== undefined;
}

/** The key of a request: the caller's own, or a hash of all that shapes the reply. Null: not cacheable. */
export function cacheKeyOf(request: GenerateRequest, modelId: string): string | null {
  if (!isRepeatable(request)) return null;
  const { cache_key: ownKey, conversation_id: _, account_id: __, background: ___, ...shaping } = request;
  if (ownKey !== undefined) return ownKey;
  const fields = Object.entries(shaping).sort(([a], [b]) => a < b ? -1 : 1);
  return createHash("sha256").update(JSON.stringify([modelId, fields])).digest("hex");
}

export interface GenerationService {
  /**
   * Generates a reply, or with `n` above 1 several and the best of them first, or answers a repeated request from the cache.
   *
   * @throws ApiError as {@linkcode Engine} and {@linkcode AdapterService} do; the signal's reason when it aborts
   */
  generate(request: GenerateRequest, options?: GenerationOptions): Promise<GenerateResult>;
  /** How many replies are generated at a time. */
  readonly capacity: number;
  /** How probable the model finds replies that were really given. Throws as `generate` does. */
  evaluate(request: EvaluateRequest, options?: { signal?: AbortSignal }): Promise<EvaluateResponse>;
}

export interface GenerationDependencies {
  engine: Engine;
  adapters: Pick<AdapterService, "require" | "texting">;
  proofs: Pick<AdapterProofs, "get" | "watch">;
  cache: ResponseCache;
  metrics: Metrics;
  log: Logger;
}

function engineRequestOf(request: GenerateRequest, adapter: AdapterFile | undefined): GenerationRequest {
  return {
    prompt: request.prompt,
    maxTokens: request.max_tokens,
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    minP: request.min_p,
    repeatPenalty: request.repeat_penalty,
    presencePenalty: request.presence_penalty,
    frequencyPenalty: request.frequency_penalty,
    stop: request.stop,
    seed: request.seed,
    account: request.account_id,
    background: request.background,
    conversationId: request.conversation_id,
    adapter,
    jsonSchema: request.json_schema,
    raw: request.raw,
    verbatim: request.verbatim,
  };
}

/** `model_version`: the model that wrote the reply, and its adapter if any. */
function versionOf({ modelId, adapterId }: CacheScope): string {
  return adapterId === undefined ? modelId : `${modelId}+${adapterId}`;
}

function resultOf(generation: Generation): GenerateResult {
  return {
    response: generation.text,
    confidence: generation.confidence,
    model_version: versionOf(generation),
    tokens_used: generation.tokensUsed,
    cached: false,
    finish_reason: generation.finishReason,
    timings: generation.timings,
  };
}

function cachedReplyOf({ text, confidence, tokensUsed, finishReason, timings }: Generation): CachedReply {
  return {
    response: text,
    confidence,
    tokens_used: tokensUsed,
    finish_reason: finishReason,
    prompt_tokens: timings.prompt_tokens,
  };
}

/** A cached reply as a result: nothing was computed for it. */
function cachedResultOf({ prompt_tokens, ...reply }: CachedReply, scope: CacheScope): GenerateResult {
  return {
    ...reply,
    model_version: versionOf(scope),
    cached: true,
    timings: {
      queue_ms: 0,
      prompt_ms: 0,
      prompt_tokens,
      cached_tokens: prompt_tokens,
      generate_ms: 0,
      tokens_per_second: 0,
    },
  };
}

function evaluationOf(likelihoods: readonly Likelihood[]): EvaluateResponse {
  const tokens = likelihoods.reduce((sum, likelihood) => sum + likelihood.tokens, 0);
  const logLikelihood = likelihoods.reduce((sum, likelihood) => sum + likelihood.logLikelihood, 0);
  return {
    tokens,
    log_likelihood: logLikelihood,
    loss: tokens === 0 ? 0 : -logLikelihood / tokens,
    samples: likelihoods.map((sample) => ({ tokens: sample.tokens, log_likelihood: sample.logLikelihood })),
  };
}

function registerMetrics({ engine, metrics }: GenerationDependencies) {
  metrics.gauge("ml_engine_requests", "Requests in the engine", {
    labels: ["state"],
    read() {
      const { running, waiting } = engine.occupancy;
      return [
        { labels: { state: "running" }, value: running },
        { labels: { state: "waiting" }, value: waiting },
      ];
    },
  });
  metrics.gauge("ml_model_loaded", "1 while a model is in memory", {
    read: () => [{ value: engine.modelId === null || engine.absence ? 0 : 1 }],
  });
  return {
    replies: metrics.counter("ml_replies_total", "Replies by where they came from", { labels: ["source"] }),
    tokens: metrics.counter("ml_tokens_total", "Tokens by what was done with them", { labels: ["kind"] }),
  };
}

/** A failing cache costs time, never a reply. */
async function tolerating<Value>(work: Promise<Value>, log: Logger): Promise<Value | null> {
  try {
    return await work;
  } catch (error) {
    log.warn("the response cache failed", logFieldsOfError(error));
    return null;
  }
}

/** What may be wrong with an adapter's file, or its effect on the model. */
const ADAPTER_FAULTS: ReadonlySet<ErrorCode> = new Set(["adapter_damaged", "adapter_unproven", "conflict"]);

/** The adapter to write with: the one that is named, or else the texting adapter for callers that want it. */
async function adapterOf(
  { adapter_id: id, texting }: GenerateRequest,
  adapters: GenerationDependencies["adapters"],
): Promise<AdapterFile | undefined> {
  if (id !== undefined) return await adapters.require(id);
  return texting ? await adapters.texting() : undefined;
}

/** Nobody named the texting adapter: where it cannot be used, the model writes alone. */
async function write(
  { engine, proofs, log }: GenerationDependencies,
  { request, adapter }: { request: GenerateRequest; adapter: AdapterFile | undefined },
  options: GenerationOptions,
): Promise<Generation> {
  const asked = engineRequestOf(request, adapter);
  try {
    return await proofs.watch(adapter, () => engine.generate(asked, options));
  } catch (error) {
    const isFault = error instanceof ApiError && ADAPTER_FAULTS.has(error.code);
    if (adapter === undefined || request.adapter_id !== undefined || !isFault) throw error;
    log.warn("the texting adapter cannot be used, the model writes alone", { code: error.code });
    return await engine.generate(engineRequestOf(request, undefined), options);
  }
}

/** Makes what generates one reply, or finds it in the cache. */
function singleGenerator(
  dependencies: GenerationDependencies,
): (request: GenerateRequest, options: GenerationOptions) => Promise<GenerateResult> {
  const { engine, adapters, proofs, cache, log } = dependencies;
  const { replies, tokens } = registerMetrics(dependencies);

  function measure({ timings, tokensUsed }: Generation): void {
    replies.inc({ source: "engine" });
    tokens.inc({ kind: "generated" }, tokensUsed);
    tokens.inc({ kind: "prompt" }, timings.prompt_tokens - timings.cached_tokens);
    tokens.inc({ kind: "prompt_reused" }, timings.cached_tokens);
  }

  function proofOf(adapterId: string | undefined): Pick<GenerateResult, "adapter"> {
    const adapter = adapterId === undefined ? null : proofs.get(adapterId);
    return adapter === null ? {} : { adapter };
  }

  async function isServed(adapterId: string | undefined): Promise<boolean> {
    return adapterId === undefined || await adapters.require(adapterId).then(() => true, () => false);
  }

  return async (request, options) => {
    // Checked before the cache: a tainted adapter's cached replies are not served either.
    const adapter = await adapterOf(request, adapters);
    const adapterId = adapter?.id;
    const scope = { modelId: engine.modelId ?? "", adapterId };
    const key = cacheKeyOf(request, scope.modelId);
    const cached = key === null ? null : await tolerating(cache.get(key, scope), log);
    if (cached) {
      replies.inc({ source: "cache" });
      options.onToken?.(cached.response);
      return { ...cachedResultOf(cached, scope), ...proofOf(adapterId) };
    }
    const generation = await write(dependencies, { request, adapter }, options);
    measure(generation);
    // Meanwhile another model may have been loaded, or the adapter taken out of service.
    if (
      key !== null && generation.modelId === scope.modelId && generation.adapterId === adapterId &&
      await isServed(adapterId)
    ) {
      await tolerating(cache.set(key, { ...scope, reply: cachedReplyOf(generation) }), log);
    }
    return { ...resultOf(generation), ...proofOf(generation.adapterId) };
  };
}

/** Makes the service. */
export function createGenerationService(dependencies: GenerationDependencies): GenerationService {
  const { engine, adapters } = dependencies;
  const generateOne = singleGenerator(dependencies);
  return {
    get capacity() {
      return engine.occupancy.capacity;
    },

    async generate({ n = 1, ...request }, options = {}) {
      if (n === 1) return await generateOne(request, options);
      const count = request.temperature === 0 ? 1 : n;
      const results = await runSideBySide((index, signal) => {
        return generateOne(candidateRequestOf(request, index), { ...options, signal });
      }, { count, limit: engine.occupancy.capacity, signal: options.signal });
      return withCandidates(results, request.seed);
    },

    async evaluate({ samples, adapter_id: adapterId }, options) {
      const adapter = adapterId === undefined ? undefined : await adapters.require(adapterId);
      return evaluationOf(await engine.evaluate({ samples, adapter }, options));
    },
  };
}
