/** The engine on llama.cpp: one model, several sequences evaluated in one batch. */
import type { Llama } from "node-llama-cpp";
import { SerialExecutor } from "../../../lib/async.ts";
import { ApiError, messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { adapterFault, type AdapterProof } from "../adapter_probe.ts";
import { EngineRequests, modelNotLoaded } from "../engine_requests.ts";
import type {
  AdapterFile,
  Engine,
  EngineDevice,
  EngineOccupancy,
  EvaluationRequest,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
  ModelFile,
  Sample,
  TokenizedSample,
} from "../engine.ts";
import type { KvCacheType } from "../libllama/native_context.ts";
import { evaluateSamples } from "./llama_evaluation.ts";
import { sampleTokens } from "./sample_tokens.ts";
import { ModelError } from "../../models/model_file.ts";
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
  /** How keys and values are stored. Default: f16. */
  kvCache?: KvCacheType;
  /** How many requests may wait. */
  queueLimit: number;
  /** How many adapters are kept in memory at a time. Default 1. */
  adapterContexts?: number;
  log: Logger;
}

/** An engine in this process. */
export interface LocalEngine extends Engine {
  /** A sample's tokens exactly as `generate` and `evaluate` use them, so that training sees the same. */
  tokenize(sample: Sample): TokenizedSample;
}

/** llama.cpp's threads busy-wait for one another, so one core is left for everything else. */
function defaultThreads(llama: Llama): number {
  return Math.max(1, llama.cpuMathCores - 1);
}

/** See {@linkcode Engine}. Made by {@linkcode createLlamaEngine}. */
class LlamaEngine implements LocalEngine {
  readonly #llama: Llama;
  readonly #options: LlamaEngineOptions;
  readonly #requests: EngineRequests;
  #loaded: LoadedModel | null = null;
  readonly #loads = new SerialExecutor();

  constructor(llama: Llama, options: LlamaEngineOptions) {
    this.#llama = llama;
    this.#options = options;
    this.#requests = new EngineRequests({ capacity: options.sequences, queueLimit: options.queueLimit });
  }

  get modelId(): string | null {
    return this.#loaded?.id ?? null;
  }

  get occupancy(): EngineOccupancy {
    return this.#requests.occupancy;
  }

  get device(): EngineDevice | null {
    if (this.#loaded === null) return null;
    const { gpuLayers } = this.#loaded.native;
    return { device: gpuLayers > 0 && this.#llama.gpu !== false ? this.#llama.gpu : "cpu", gpuLayers };
  }

  load(file: ModelFile): Promise<void> {
    return this.#loads.run(() => this.#swapIn(file));
  }

  generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    return this.#requests.generate(request, options, async (options) => {
      const loaded = this.#model();
      using _use = loaded.use();
      using lease = await serving(loaded, request.adapter, options);
      const details = await generateReply(lease.served, request, options);
      const { promptTokens: _, replyTokens: __, ...generation } = details;
      return generation;
    });
  }

  evaluate(request: EvaluationRequest, options: { signal?: AbortSignal } = {}): Promise<Likelihood[]> {
    return this.#requests.background(options, async (signal) => {
      const loaded = this.#model();
      using _use = loaded.use();
      using lease = await serving(loaded, request.adapter, { signal });
      return await evaluateSamples(lease.served, request.samples, { signal });
    });
  }

  tokenize(sample: Sample): TokenizedSample {
    return sampleTokens(sample, this.#model());
  }

  async probeAdapter(adapter: AdapterFile): Promise<AdapterProof> {
    const loaded = this.#model();
    using _use = loaded.use();
    checkBase(adapter, loaded);
    return await loaded.probeAdapter(adapter);
  }

  async retireAdapter(adapterId: string): Promise<void> {
    await this.#loaded?.retireAdapter(adapterId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests.close();
    await this.#loads.idle();
    const loaded = this.#loaded;
    this.#loaded = null;
    await loaded?.[Symbol.asyncDispose]();
    await closeLlama(this.#llama);
  }

  async #swapIn(file: ModelFile): Promise<void> {
    this.#requests.closed.throwIfAborted();
    const { threads = defaultThreads(this.#llama), adapterContexts = 1, ...options } = this.#options;
    const next = await loadModel(this.#llama, file, { ...options, threads, adapterContexts });
    const previous = this.#loaded;
    this.#loaded = next;
    await previous?.[Symbol.asyncDispose]();
  }

  #model(): LoadedModel {
    if (this.#loaded) return this.#loaded;
    throw modelNotLoaded("No model is loaded; /health says why");
  }
}

/** An adapter makes no sense on the weights of another model. */
function checkBase(adapter: AdapterFile, loaded: LoadedModel): void {
  if (adapter.baseModelId === loaded.id) return;
  const message = `The adapter ${adapter.id} is for ${adapter.baseModelId}, and ${loaded.id} is served`;
  throw new ApiError("conflict", message);
}

/** The model with the adapter that a request names, or without one. */
async function serving(
  loaded: LoadedModel,
  adapter: AdapterFile | undefined,
  options: { signal: AbortSignal },
): ReturnType<LoadedModel["serve"]> {
  if (adapter !== undefined) checkBase(adapter, loaded);
  return await loaded.serve(adapter, options).catch((error) => {
    options.signal.throwIfAborted();
    if (!(error instanceof ModelError)) throw modelNotLoaded(messageOf(error), error);
    throw adapterFault(error);
  });
}

/**
 * Makes an engine on llama.cpp, with no model yet.
 *
 * @throws Error when the library cannot be opened on this machine
 */
export async function createLlamaEngine(options: LlamaEngineOptions): Promise<LocalEngine> {
  return new LlamaEngine(await openLlama(options), options);
}
