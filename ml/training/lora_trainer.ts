/** Implements `Trainer` on ggml: one base model, one adapter, steps and evaluations over micro-batches. */
import { seededRandom } from "../engine/sampling.ts";
import { readAdapter, writeAdapter } from "./adapter_file.ts";
import { CpuBackend, GraphMemory } from "./ggml/backend.ts";
import { GgufFile } from "./ggml/gguf_file.ts";
import { AdapterState, OPTIMIZER_DEFAULTS } from "./model/adapter_state.ts";
import { type Hyperparameters, readHyperparameters } from "./model/hyperparameters.ts";
import { layOutLora } from "./model/lora_layout.ts";
import {
  checkSamples,
  computedTokens,
  groupSamples,
  type IndexedSample,
  type MicroBatch,
  packGroup,
} from "./model/micro_batch.ts";
import { ModelGraph } from "./model/model_graph.ts";
import type { FixedFormat } from "./model/weight_plan.ts";
import { ModelWeights } from "./model/weights.ts";
import { choosePlan } from "./memory_estimate.ts";
import {
  DEFAULT_MICRO_BATCH_TOKENS,
  type EvaluateOptions,
  type ModelSummary,
  type Provenance,
  type ReplyLikelihood,
  type StepOptions,
  type StepResult,
  type TokenSample,
  type Trainer,
  type TrainerOptions,
} from "./trainer.ts";
import { readState, writeState } from "./training_state.ts";
import { TrainingError } from "./training_error.ts";

/** Smallest probability in a loss: the end of 32-bit floats' range. */
const LEAST_PROBABILITY = 1e-45;

/** What a trainer works with and disposes of. */
interface TrainerDependencies {
  backend: CpuBackend;
  hyperparameters: Hyperparameters;
  format: FixedFormat;
  weights: ModelWeights;
  adapter: AdapterState;
  memory: GraphMemory;
}

/** See {@linkcode Trainer}. Made by {@linkcode createTrainer}. */
class LoraTrainer implements Trainer {
  readonly #dependencies: TrainerDependencies;
  readonly #options: TrainerOptions;
  readonly #owned: DisposableStack;
  #busy = false;

  constructor(dependencies: TrainerDependencies, options: TrainerOptions & { owned: DisposableStack }) {
    const { owned, ...settings } = options;
    this.#dependencies = dependencies;
    this.#options = settings;
    this.#owned = owned;
  }

  get model(): ModelSummary {
    const { hyperparameters, adapter, format: weights } = this.#dependencies;
    const { architecture, layers, vocabularySize, contextLength } = hyperparameters;
    return {
      architecture,
      layers,
      vocabularySize,
      contextLength,
      parameters: adapter.layout.length,
      weights,
    };
  }

  get steps(): number {
    return this.#dependencies.adapter.steps;
  }

  step(batch: readonly TokenSample[], options: StepOptions): Promise<StepResult> {
    return this.#alone(() => this.#step(batch, options));
  }

  evaluate(samples: readonly TokenSample[], options: EvaluateOptions = {}): Promise<ReplyLikelihood[]> {
    return this.#alone(() => this.#evaluate(samples, options));
  }

  async exportAdapter(path: string, provenance: Provenance): Promise<void> {
    const { backend, hyperparameters: { architecture }, adapter } = this.#dependencies;
    await this.#alone(() => writeAdapter(path, adapter, { backend, architecture, provenance }));
  }

  async startFrom(adapterPath: string | null): Promise<void> {
    const { backend, adapter } = this.#dependencies;
    await this.#alone(() => {
      if (adapter.steps > 0) throw new Error("The adapter has been trained already");
      if (adapterPath === null) adapter.initialise();
      else readAdapter(adapterPath, adapter, { backend });
    });
  }

  async saveState(path: string): Promise<void> {
    await this.#alone(() => writeState(path, this.#dependencies.adapter, { settings: this.#fingerprint() }));
  }

  async loadState(path: string): Promise<void> {
    await this.#alone(() => readState(path, this.#dependencies.adapter, { settings: this.#fingerprint() }));
  }

  [Symbol.dispose](): void {
    // Native threads may still be using the memory that would be freed.
    if (this.#busy) throw new Error("The trainer is busy: await its call before disposing of it");
    this.#owned.dispose();
  }

  async #step(batch: readonly TokenSample[], options: StepOptions): Promise<StepResult> {
    const { adapter } = this.#dependencies;
    const isSum = options.weighting === "sum";
    checkSamples(batch, this.#dependencies.hyperparameters, { signed: isSum });
    if (!(options.learningRate >= 0 && Number.isFinite(options.learningRate))) {
      throw new TrainingError(
        "bad_settings",
        `The learning rate must not be below 0: it is ${options.learningRate}`,
      );
    }
    const totalWeight = isSum
      ? 1
      : batch.reduce((sum, { reply, weight = 1 }) => sum + weight * reply.length, 0);
    const random = seededRandom(this.#options.seed ^ Math.imul(adapter.steps + 1, 0x9e37_79b1));
    adapter.gradients.fill(0);
    let loss = 0;
    for (const group of this.#groups(batch)) {
      options.signal?.throwIfAborted();
      const packed = packGroup(group);
      const shares = Float32Array.from(packed.weights, (weight) => weight / totalWeight);
      const logs = await this.#run(packed, { train: true, scale: 1, shares, random });
      loss -= logs.reduce((sum, log, row) => sum + log * (packed.weights[row] ?? 0), 0) / totalWeight;
    }
    options.signal?.throwIfAborted();
    const gradientNorm = adapter.gradientNorm();
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new TrainingError(
        "diverged",
        `Training diverged at step ${adapter.steps + 1}`,
        { fix: "Lower the learning rate" },
      );
    }
    await adapter.step(options.learningRate, { gradientNorm });
    return {
      loss,
      gradientNorm,
      tokens: batch.reduce((sum, sample) => sum + computedTokens(sample), 0),
      replyTokens: batch.reduce((sum, { reply }) => sum + reply.length, 0),
    };
  }

  async #evaluate(samples: readonly TokenSample[], options: EvaluateOptions): Promise<ReplyLikelihood[]> {
    checkSamples(samples, this.#dependencies.hyperparameters);
    const likelihoods = samples.map(({ reply }) => ({ tokens: reply.length, logLikelihood: 0 }));
    for (const group of this.#groups(samples)) {
      options.signal?.throwIfAborted();
      const packed = packGroup(group);
      const logs = await this.#run(packed, {
        train: false,
        scale: options.adapterScale ?? 1,
        shares: new Float32Array(packed.shape.predictedRows),
        random: () => 0,
      });
      packed.owners.forEach((owner, row) => {
        const likelihood = likelihoods[owner];
        if (likelihood !== undefined) likelihood.logLikelihood += logs[row] ?? 0;
      });
      options.onEvaluated?.(group.length);
    }
    return likelihoods;
  }

  #groups(samples: readonly TokenSample[]): IndexedSample[][] {
    return groupSamples(samples, { maxTokens: this.#options.microBatchTokens ?? DEFAULT_MICRO_BATCH_TOKENS });
  }

  /** Computes a micro-batch. @returns the logarithm of each prediction's probability, filling rows included */
  async #run(
    packed: MicroBatch,
    options: { train: boolean; scale: number; shares: Float32Array<ArrayBuffer>; random: () => number },
  ): Promise<number[]> {
    const { backend, hyperparameters, format, weights, adapter, memory } = this.#dependencies;
    const { train, scale } = options;
    using graph = new ModelGraph(backend, {
      model: hyperparameters,
      weights,
      layout: adapter.layout,
      lora: scale === 0 ? null : adapter.tensors({ scale }),
      shape: packed.shape,
      train,
      exact: format === "f32",
    });
    graph.place(memory);
    graph.load(packed, options);
    await graph.compute();
    return Array.from(graph.labelProbabilities(), (p) => Math.log(Math.max(p, LEAST_PROBABILITY)));
  }

  /** The settings that must be equal for a saved state to resume exactly. */
  #fingerprint(): Record<string, string | number> {
    const { layout } = this.#dependencies.adapter;
    const { rank, alpha, dropout, targets, firstLayer } = layout;
    const { seed } = this.#options;
    return {
      ...this.model,
      ...OPTIMIZER_DEFAULTS,
      ...this.#options.optimizer,
      rank,
      alpha,
      dropout,
      targets: targets.join(" "),
      firstLayer,
      seed,
    };
  }

  /** Runs one call at a time: two would share memory and gradients. */
  async #alone<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    if (this.#busy) throw new Error("The trainer is busy: await one call before the next");
    if (this.#owned.disposed) throw new Error("The trainer has been disposed of");
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}

function checkOptions(
  { seed, threads, microBatchTokens = DEFAULT_MICRO_BATCH_TOKENS, optimizer = {} }: TrainerOptions,
): void {
  const fault = !Number.isInteger(threads) || threads < 1
    ? `threads must be a whole number above 0: it is ${threads}`
    : !Number.isInteger(seed)
    ? `seed must be a whole number: it is ${seed}`
    : !(microBatchTokens >= 1)
    ? `microBatchTokens must be above 0: it is ${microBatchTokens}`
    : Object.entries(optimizer).filter(([, value]) => !(value >= 0)).map(([name, value]) =>
      `${name} must not be below 0: it is ${value}`
    )[0];
  if (fault !== undefined) throw new TrainingError("bad_settings", `The trainer's ${fault}`);
}

/**
 * Loads a base model and starts an adapter on it.
 *
 * @throws TrainingError `library_unusable`, `model_unreadable`, `model_unsupported`, `bad_settings`, `out_of_memory`
 */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  checkOptions(options);
  using stack = new DisposableStack();
  const backend = stack.use(new CpuBackend(options.threads));
  using file = new GgufFile(backend.ggml, options.modelPath);
  const hyperparameters = readHyperparameters(file);
  const layout = layOutLora(options.lora, hyperparameters);
  const { plan, format } = choosePlan(file, { model: hyperparameters, layout }, {
    weights: options.weights ?? "auto",
    microBatchTokens: options.microBatchTokens ?? DEFAULT_MICRO_BATCH_TOKENS,
  });
  const weights = stack.use(await ModelWeights.load(backend, file, { plan }));
  const optimizer = { ...OPTIMIZER_DEFAULTS, ...options.optimizer };
  const adapter = stack.use(new AdapterState(backend, layout, { seed: options.seed, optimizer }));
  const memory = stack.use(new GraphMemory(backend));
  const dependencies = { backend, hyperparameters, format, weights, adapter, memory };
  return new LoraTrainer(dependencies, { ...options, owned: stack.move() });
}
