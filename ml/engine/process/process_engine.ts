/** The engine in a process of its own: requests queue here, and whatever happens there, the service answers. */
import { SerialExecutor } from "../../../lib/async.ts";
import type { Metrics } from "../../../lib/metrics.ts";
import type { AdapterProof } from "../adapter_probe.ts";
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
  ModelAbsence,
  ModelFile,
} from "../engine.ts";
import type { LogLevel } from "../../../lib/log.ts";
import type { LlamaEngineOptions } from "../llama/llama.ts";
import { EngineRequests, modelNotLoaded } from "../engine_requests.ts";
import { SupervisedModel } from "./supervised_model.ts";

export interface ProcessEngineOptions extends LlamaEngineOptions {
  /** The process ends, and gives its memory back, after so long without a request; null: never. */
  keepAliveSeconds: number | null;
  logLevel: LogLevel;
  metrics: Metrics;
}

/** See {@linkcode Engine}. Made by {@linkcode createProcessEngine}. */
class ProcessEngine implements Engine {
  readonly #options: ProcessEngineOptions;
  /** They wait here, not in the process, so that places and `/health` are right while it is away. */
  readonly #requests: EngineRequests;
  readonly #onCrash: () => void;
  #model: SupervisedModel | null = null;
  readonly #loads = new SerialExecutor();

  constructor(options: ProcessEngineOptions) {
    this.#options = options;
    this.#requests = new EngineRequests({ capacity: options.sequences, queueLimit: options.queueLimit });
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

  get device(): EngineDevice | null {
    return this.#model?.device ?? null;
  }

  get occupancy(): EngineOccupancy {
    return this.#requests.occupancy;
  }

  load(file: ModelFile): Promise<void> {
    return this.#loads.run(() => this.#swapIn(file));
  }

  generate(request: GenerationRequest, options: GenerationOptions = {}): Promise<Generation> {
    return this.#requests.generate(
      request,
      options,
      async (options) => await this.#served().run((child) => child.call("generate", request, options)),
    );
  }

  evaluate(request: EvaluationRequest, options: { signal?: AbortSignal } = {}): Promise<Likelihood[]> {
    return this.#requests.background(
      options,
      async (signal) => await this.#served().run((child) => child.call("evaluate", request, { signal })),
    );
  }

  async probeAdapter(adapter: AdapterFile): Promise<AdapterProof> {
    return await this.#served().run((child) => child.call("probeAdapter", adapter));
  }

  async retireAdapter(adapterId: string): Promise<void> {
    await this.#model?.runIfPresent((child) => child.call("retireAdapter", adapterId));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests.close();
    await this.#model?.kill();
    await this.#loads.idle();
    await this.#model?.kill();
    this.#model = null;
  }

  /** The one before serves until the next one answers, and finishes what it has begun. */
  async #swapIn(model: ModelFile): Promise<void> {
    const signal = this.#requests.closed;
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

  #served(): SupervisedModel {
    this.#requests.closed.throwIfAborted();
    if (this.#model) return this.#model;
    throw modelNotLoaded("No model is loaded; /health says why");
  }
}

/** Makes an engine whose llama.cpp runs in a process of its own, with no model yet. */
export function createProcessEngine(options: ProcessEngineOptions): Engine {
  return new ProcessEngine(options);
}
