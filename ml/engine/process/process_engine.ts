/** The engine in a process of its own: requests queue here, and whatever happens there, the service answers. */
import { SerialExecutor } from "../../../lib/async.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Metrics } from "../../../lib/metrics.ts";
import type {
  AdapterFile,
  Engine,
  EngineOccupancy,
  EvaluationRequest,
  Generation,
  GenerationOptions,
  GenerationRequest,
  Likelihood,
  ModelAbsence,
  ModelFile,
} from "../engine.ts";
import type { LogLevel } from "../../../lib/log.ts";
import type { LlamaEngineOptions } from "../llama/llama.ts";
import { requesterOf, RequestQueue } from "../request_queue.ts";
import { SupervisedModel } from "./supervised_model.ts";

export interface ProcessEngineOptions extends LlamaEngineOptions {
  /** The process ends, and gives its memory back, after so long without a request; null: never. */
  keepAliveSeconds: number | null;
  logLevel: LogLevel;
  metrics: Metrics;
}

function notLoaded(message: string): ApiError {
  return new ApiError("model_not_loaded", message, { retryAfterSeconds: 5 });
}

/** See {@linkcode Engine}. Made by {@linkcode createProcessEngine}. */
class ProcessEngine implements Engine {
  readonly #options: ProcessEngineOptions;
  readonly #queue: RequestQueue;
  readonly #onCrash: () => void;
  /** Ends what is in flight when the engine is disposed. */
  readonly #closing = new AbortController();
  #model: SupervisedModel | null = null;
  readonly #loads = new SerialExecutor();

  constructor(options: ProcessEngineOptions) {
    this.#options = options;
    this.#queue = new RequestQueue({ capacity: options.sequences, queueLimit: options.queueLimit });
    const { metrics } = options;
    const crashes = metrics.counter("ml_engine_crashes_total", "Crashes of the model's process", {
      labels: [],
    });
    this.#onCrash = () => crashes.inc({});
  }

  get modelId(): string | null {
    return this.#model?.id ?? null;
  }

  get absence(): ModelAbsence | null {
    return this.#model?.absence ?? null;
  }

  get occupancy(): EngineOccupancy {
    const { running, waiting, capacity } = this.#queue;
    return { running, waiting, capacity };
  }

  load(file: ModelFile): Promise<void> {
    return this.#loads.run(() => this.#swapIn(file));
  }

  async generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    const signal = this.#untilClosing(options.signal);
    const { onToken } = options;
    const arrivedAt = performance.now();
    // Held until the process has ended the request, so that it never has more of them than it has sequences.
    using _slot = await this.#queue.acquire(signal, requesterOf(request));
    const queueMs = Math.round((performance.now() - arrivedAt) * 10) / 10;
    const generation = await this.#served().run((child) =>
      child.call("generate", request, { signal, onToken })
    );
    return { ...generation, timings: { ...generation.timings, queue_ms: queueMs } };
  }

  async evaluate(request: EvaluationRequest, options: { signal?: AbortSignal } = {}): Promise<Likelihood[]> {
    const signal = this.#untilClosing(options.signal);
    using _slot = await this.#queue.acquire(signal, { background: true });
    return await this.#served().run((child) => child.call("evaluate", request, { signal }));
  }

  async probeAdapter(adapter: AdapterFile): Promise<void> {
    await this.#served().run((child) => child.call("probeAdapter", adapter));
  }

  async retireAdapter(adapterId: string): Promise<void> {
    await this.#model?.runIfPresent((child) => child.call("retireAdapter", adapterId));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(notLoaded("The service is stopping"));
    await this.#model?.kill();
    await this.#loads.idle();
    await this.#model?.kill();
    this.#model = null;
  }

  /** The one before serves until the next one answers, and finishes what it has begun. */
  async #swapIn(model: ModelFile): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const { keepAliveSeconds, logLevel, log, metrics: _, ...engine } = this.#options;
    const next = await SupervisedModel.open({ model, engine, logLevel }, {
      keepAliveMs: keepAliveSeconds === null ? null : keepAliveSeconds * 1_000,
      onCrash: this.#onCrash,
      log,
      signal,
    });
    const previous = this.#model;
    this.#model = next;
    await previous?.[Symbol.asyncDispose]();
  }

  #untilClosing(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  #served(): SupervisedModel {
    this.#closing.signal.throwIfAborted();
    if (this.#model) return this.#model;
    throw notLoaded("No model is loaded; /health says why");
  }
}

/** Makes an engine whose llama.cpp runs in a process of its own, with no model yet. */
export function createProcessEngine(options: ProcessEngineOptions): Engine {
  return new ProcessEngine(options);
}
