/** Defines the `Trainer` interface, its options and results. */
import { DEFAULT_LEARNING_RATE, LORA_TARGETS, type LoraTarget } from "../../contract/ml_training.ts";

export { DEFAULT_LEARNING_RATE, LORA_TARGETS, type LoraTarget };

/** Which matrices get a low-rank update `B·A·alpha/rank`, and its rank. */
export interface LoraOptions {
  rank: number;
  /** Default: twice the rank. */
  alpha?: number;
  /** Share of an adapter's inputs dropped at random in each step, in [0, 1). Default 0. */
  dropout?: number;
  /** Default: the four matrices of attention. */
  targets?: readonly LoraTarget[];
  /** Only this many upper layers are trained. Default: all. */
  layers?: number;
}

/** AdamW as in Loshchilov and Hutter, arXiv 1711.05101. */
export interface OptimizerOptions {
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Default 0. */
  weightDecay?: number;
  /** Gradients with a larger norm are clipped to it; Infinity: never. Default 1. */
  maxGradientNorm?: number;
}

/**
 * Types of the frozen weights in memory, for the forward pass and, transposed, for the backward pass.
 *
 * - `f32` is exact, and slow.
 * - `bf16` for both; `q8_0` for both: half the memory, and coarser.
 * - `mixed`: `bf16` forward, `q8_0` backward.
 * - `file`: forward as in the file, backward `q8_0`: the least memory.
 * - `auto`: the first of `mixed` (only on x86 without a matrix unit), `q8_0` and `file` that fits in memory.
 */
export type WeightFormat = "auto" | "f32" | "bf16" | "mixed" | "q8_0" | "file";

export const DEFAULT_MICRO_BATCH_TOKENS = 512;

export interface TrainerOptions {
  /** The base model's GGUF file. */
  modelPath: string;
  lora: LoraOptions;
  optimizer?: OptimizerOptions;
  /** With one thread, equal seeds, samples and settings give the same adapter bit for bit. */
  seed: number;
  threads: number;
  /** Default `auto`. */
  weights?: WeightFormat;
  /** Tokens computed at a time: bounds a step's memory without changing its result. Default {@linkcode DEFAULT_MICRO_BATCH_TOKENS}. */
  microBatchTokens?: number;
}

/** A sample as token ids. The loss covers all of `reply` and nothing else: include the end-of-turn token in it. */
export interface TokenSample {
  prompt: readonly number[];
  reply: readonly number[];
  /** Weight of its tokens in the loss, above 0; with `sum` weighting any number but 0. Default 1. */
  weight?: number;
}

export interface StepOptions {
  learningRate: number;
  /**
   * What is minimized: `mean`, the mean negative log-probability of the reply tokens, weighted by sample; `sum`, the sum
   * of negative log-probabilities times weights, where a negative weight makes a reply less probable. Default `mean`.
   */
  weighting?: "mean" | "sum";
  /** Aborts the step between two micro-batches; parameters stay as they were before it. */
  signal?: AbortSignal;
}

export interface StepResult {
  /** The minimized quantity before the step, in natural logarithms. */
  loss: number;
  /** Tokens of the batch, prompts and replies. */
  tokens: number;
  /** Tokens that the loss is over. */
  replyTokens: number;
  /** Norm of the gradient before clipping. */
  gradientNorm: number;
}

export interface EvaluateOptions {
  /** 0 evaluates the base model, 1 the adapter as trained. Default 1. */
  adapterScale?: number;
  signal?: AbortSignal;
  /** Called as samples are evaluated. @param count how many since the last call */
  onEvaluated?: (count: number) => void;
}

/** A reply's log-probability: natural logarithm, summed over its tokens. */
export interface ReplyLikelihood {
  tokens: number;
  logLikelihood: number;
}

/** An adapter's origin, written into its file under `conversation_assistant.*`. */
export type Provenance = Readonly<Record<string, string | number | boolean>>;

/** Bytes that training needs, by purpose. */
export interface TrainingMemory {
  weightsBytes: number;
  adapterBytes: number;
  activationsBytes: number;
  totalBytes: number;
}

/** A loaded model's properties, for provenance and checks. */
export interface ModelSummary {
  architecture: string;
  layers: number;
  vocabularySize: number;
  /** The model's context length in tokens: longer samples are refused. */
  contextLength: number;
  /** Trainable numbers of the adapter. */
  parameters: number;
  /** Format of the frozen matrices; never `auto`. */
  weights: WeightFormat;
}

/**
 * Fine-tunes one adapter on one model. Calls must not overlap. Disposing frees all native memory and must not happen
 * during a call.
 */
export interface Trainer extends Disposable {
  readonly model: ModelSummary;
  /** Steps taken so far. */
  readonly steps: number;
  /**
   * One optimizer step on a batch: forward, backward, clip, AdamW.
   *
   * @throws TrainingError `bad_sample` for a sample without a reply, longer than the context, or with unknown
   * tokens; `diverged` when loss or gradient is not a number (parameters stay as they were)
   */
  step(batch: readonly TokenSample[], options: StepOptions): Promise<StepResult>;
  /** The log-probability of each reply under the model with its adapter. Sample weights are ignored. */
  evaluate(samples: readonly TokenSample[], options?: EvaluateOptions): Promise<ReplyLikelihood[]>;
  /** Writes the adapter atomically as a GGUF file that llama.cpp loads. */
  exportAdapter(path: string, provenance: Provenance): Promise<void>;
  /**
   * Takes the parameters of an exported adapter, or with null those of a new one, before any step was taken.
   *
   * @throws TrainingError `bad_settings` when it is of another rank, alpha or model, `model_unreadable`
   */
  startFrom(adapterPath: string | null): Promise<void>;
  /** Writes parameters, moments, step count and settings atomically. */
  saveState(path: string): Promise<void>;
  /**
   * Resumes exactly where `saveState` left off.
   *
   * @throws TrainingError `bad_state` when the file is truncated or belongs to another model or settings
   */
  loadState(path: string): Promise<void>;
}
