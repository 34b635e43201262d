/** Owns the engine on llama.cpp through node-llama-cpp: one model, several sequences evaluated in one batch. */
import type { Llama } from "node-llama-cpp";
import { ApiError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { Admission } from "./admission.ts";
import type {
  Engine,
  EngineOccupancy,
  EvaluationRequest,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
  ModelFile,
  Sample,
  TokenizedSample,
} from "./engine.ts";
import { evaluateSamples, sampleTokens } from "./llama_evaluation.ts";
import { generateReply } from "./llama_generation.ts";
import { closeLlama, openLlama } from "./llama_library.ts";
import { type LoadedModel, loadModel } from "./llama_model.ts";

export interface LlamaEngineOptions {
  gpu: "auto" | "off";
  /** Threads to compute with. Default: one less than the cores, at least one. */
  threads?: number;
  /** How many replies are generated at a time. */
  sequences: number;
  /** Tokens of prompt and reply together. */
  contextSize: number;
  /** How many requests may wait. */
  queueLimit: number;
  log: Logger;
}

/** llama.cpp's threads wait for one another spinning: one core is left to everything else. */
function defaultThreads(llama: Llama): number {
  return Math.max(1, llama.cpuMathCores - 1);
}

/** See {@linkcode Engine}. Made by {@linkcode createLlamaEngine}. */
class LlamaEngine implements Engine {
  readonly #llama: Llama;
  readonly #options: LlamaEngineOptions;
  readonly #admission: Admission;
  /** Ends what is in flight when the engine is disposed. */
  readonly #closing = new AbortController();
  #loaded: LoadedModel | null = null;
  /** The load that is under way, or the last one. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor(llama: Llama, options: LlamaEngineOptions) {
    this.#llama = llama;
    this.#options = options;
    this.#admission = new Admission({ capacity: options.sequences, queueLimit: options.queueLimit });
  }

  get modelId(): string | null {
    return this.#loaded?.id ?? null;
  }

  get occupancy(): EngineOccupancy {
    const { running, waiting, capacity } = this.#admission;
    return { running, waiting, capacity };
  }

  load(file: ModelFile): Promise<void> {
    const load = this.#loading.then(() => this.#swapIn(file));
    this.#loading = load.catch(() => {});
    return load;
  }

  async generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    this.#checkAdapter(request.adapterId);
    const signal = this.#untilClosing(options.signal);
    const arrivedAt = performance.now();
    using _place = await this.#admission.enter(signal);
    const queueMs = Math.round((performance.now() - arrivedAt) * 10) / 10;
    const loaded = this.#model();
    using _use = loaded.use();
    const details = await generateReply(loaded, request, { ...options, signal });
    const { promptTokens: _, replyTokens: __, ...generation } = details;
    return { ...generation, timings: { ...generation.timings, queue_ms: queueMs } };
  }

  async evaluate(request: EvaluationRequest, options: { signal?: AbortSignal } = {}): Promise<Likelihood[]> {
    this.#checkAdapter(request.adapterId);
    const signal = this.#untilClosing(options.signal);
    using _place = await this.#admission.enter(signal);
    const loaded = this.#model();
    using _use = loaded.use();
    return await evaluateSamples(loaded, request.samples, { signal });
  }

  tokenize(sample: Sample): TokenizedSample {
    return sampleTokens(sample, this.#model());
  }

  adapters(): string[] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(notLoaded("The service is stopping"));
    await this.#loading;
    const loaded = this.#loaded;
    this.#loaded = null;
    await loaded?.[Symbol.asyncDispose]();
    await closeLlama(this.#llama);
  }

  async #swapIn(file: ModelFile): Promise<void> {
    this.#closing.signal.throwIfAborted();
    const { threads = defaultThreads(this.#llama), ...options } = this.#options;
    const next = await loadModel(this.#llama, file, { ...options, threads });
    const previous = this.#loaded;
    this.#loaded = next;
    await previous?.[Symbol.asyncDispose]();
  }

  #untilClosing(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  #model(): LoadedModel {
    if (this.#loaded) return this.#loaded;
    throw notLoaded("No model is loaded; /health says why");
  }

  #checkAdapter(id: string | undefined): void {
    if (id === undefined || this.adapters().includes(id)) return;
    throw new ApiError("not_found", `There is no adapter ${id}`);
  }
}

function notLoaded(message: string): ApiError {
  return new ApiError("model_not_loaded", message, { retryAfterSeconds: 5 });
}

/**
 * Makes an engine on llama.cpp, with no model yet.
 *
 * @throws Error when the library cannot be opened on this machine
 */
export async function createLlamaEngine(options: LlamaEngineOptions): Promise<Engine> {
  return new LlamaEngine(await openLlama(options), options);
}
