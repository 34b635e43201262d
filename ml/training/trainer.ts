/** Owns the `Trainer` interface: what fine-tuning asks of the training core, and the shapes that cross it. */
import { DEFAULT_LEARNING_RATE, LORA_TARGETS, type LoraTarget } from "../../contract/ml_training.ts";

export { DEFAULT_LEARNING_RATE, LORA_TARGETS, type LoraTarget };

/** Which matrices get a low-rank correction `B·A·alpha/rank`, and of what rank. */
export interface LoraOptions {
  rank: number;
  /** Default: twice the rank. */
  alpha?: number;
  /** Share of an adapter's inputs that is left out at random in each step, in [0, 1). Default 0. */
  dropout?: number;
  /** Default: the four matrices of attention. */
  targets?: readonly LoraTarget[];
  /** Only the upper so many layers are trained. Default: all. */
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
  /** Gradients longer than this are shortened to it; Infinity never. Default 1. */
  maxGradientNorm?: number;
}

/**
 * What frozen weights are kept as in memory, for the forward pass and, transposed, for the backward pass.
 *
 * - `f32` is exact, and slow.
 * - `bf16` for both; `q8_0` for both: half the memory, and coarser.
 * - `mixed`: `bf16` forward, `q8_0` backward.
 * - `file`: forward as the file has them, backward `q8_0`: the least memory.
 * - `auto`: the first of `mixed` (on x86 without a matrix unit only), `q8_0` and `file` for which there is memory.
 */
export type WeightFormat = "auto" | "f32" | "bf16" | "mixed" | "q8_0" | "file";

export const DEFAULT_MICRO_BATCH_TOKENS = 512;

export interface TrainerOptions {
  /** The base model's GGUF file. */
  modelPath: string;
  lora: LoraOptions;
  optimizer?: OptimizerOptions;
  /** Equal seeds, samples and settings with one thread give the same adapter bit for bit. */
  seed: number;
  threads: number;
  /** Default `auto`. */
  weights?: WeightFormat;
  /** How many tokens are computed at a time: bounds the memory of a step, not its result. Default {@linkcode DEFAULT_MICRO_BATCH_TOKENS}. */
  microBatchTokens?: number;
}

/** A sample as token ids. The loss is taken on `reply` alone, all of it: an end mark to be learned belongs to it. */
export interface TokenSample {
  prompt: readonly number[];
  reply: readonly number[];
  /** Share of its tokens in the loss, above 0; with `sum` as weighting any number but 0. Default 1. */
  weight?: number;
}

export interface StepOptions {
  learningRate: number;
  /**
   * What is made smaller: `mean`, the mean negative log-probability of the reply tokens, weighted by sample; `sum`, the
   * sum of negative log-probabilities times weights, which makes a reply of a weight below 0 less probable. Default `mean`.
   */
  weighting?: "mean" | "sum";
  /** Ends the step between two micro-batches; parameters then stay as they were before it. */
  signal?: AbortSignal;
}

export interface StepResult {
  /** What the step makes smaller, before it, in natural logarithms. */
  loss: number;
  /** Tokens of the batch, prompts and replies. */
  tokens: number;
  /** Tokens that the loss is over. */
  replyTokens: number;
  /** Length of the gradient before clipping. */
  gradientNorm: number;
}

export interface EvaluateOptions {
  /** 0 asks the base model, 1 the adapter as trained. Default 1. */
  adapterScale?: number;
  signal?: AbortSignal;
}

/** How probable a reply is: natural logarithm, summed over its tokens. */
export interface ReplyLikelihood {
  tokens: number;
  logLikelihood: number;
}

/** Where an adapter comes from; written into its file under `conversation_assistant.*`. */
export type Provenance = Readonly<Record<string, string | number | boolean>>;

/** Bytes that training takes, by purpose. */
export interface TrainingMemory {
  weightsBytes: number;
  adapterBytes: number;
  activationsBytes: number;
  totalBytes: number;
}

/** What a loaded model is, for provenance and for guards. */
export interface ModelSummary {
  architecture: string;
  layers: number;
  vocabularySize: number;
  /** Tokens the model was trained to see at a time: longer samples are refused. */
  contextLength: number;
  /** Trainable numbers of the adapter. */
  parameters: number;
  /** What the frozen matrices are kept as; never `auto`. */
  weights: WeightFormat;
}

/**
 * Fine-tunes one adapter on one model. Calls must not overlap. Disposing frees all native memory; it must
 * not happen while a call is under way.
 */
export interface Trainer extends Disposable {
  readonly model: ModelSummary;
  /** Steps taken so far. */
  readonly steps: number;
  /**
   * One optimiser step on a batch: forward, backward, clip, AdamW.
   *
   * @throws TrainingError `bad_sample` for a sample without a reply, longer than the context, or with unknown
   * tokens; `diverged` when loss or gradient is no number (parameters stay as they were)
   */
  step(batch: readonly TokenSample[], options: StepOptions): Promise<StepResult>;
  /** How probable the model with its adapter finds each reply. Weights of samples play no part. */
  evaluate(samples: readonly TokenSample[], options?: EvaluateOptions): Promise<ReplyLikelihood[]>;
  /** Writes the adapter as a GGUF file that llama.cpp loads; the file appears whole or not at all. */
  exportAdapter(path: string, provenance: Provenance): Promise<void>;
  /** Writes parameters, moments, step count and random state; the file appears whole or not at all. */
  saveState(path: string): Promise<void>;
  /**
   * Goes on exactly where `saveState` left off.
   *
   * @throws TrainingError `bad_state` when the file is cut short or belongs to another model or settings
   */
  loadState(path: string): Promise<void>;
}

export type TrainingErrorCode =
  | "library_unusable"
  | "model_unreadable"
  | "model_unsupported"
  | "bad_settings"
  | "bad_sample"
  | "bad_state"
  | "out_of_memory"
  | "diverged"
  | "compute_failed";

/** A fault of training that its caller can tell apart. Its message is a sentence without sample text. */
export class TrainingError extends Error {
  override readonly name = "TrainingError";
  readonly code: TrainingErrorCode;

  constructor(code: TrainingErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
