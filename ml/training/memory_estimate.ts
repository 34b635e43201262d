/** Estimates the memory that training needs before it takes any, and chooses the weight format that fits. */
import { F32_BYTES } from "./ggml/constants.ts";
import { openGgml } from "./ggml/library.ts";
import { matrixUnitMemory } from "./ggml/matrix_unit.ts";
import { GgufFile } from "./ggml/gguf_file.ts";
import { adapterBytes } from "./model/adapter_state.ts";
import { type BatchShape, blockEnds, LONGEST_STORED } from "./model/batch_inputs.ts";
import { type Hyperparameters, readHyperparameters } from "./model/hyperparameters.ts";
import { layOutLora, type LoraLayout } from "./model/lora_layout.ts";
import { type FixedFormat, planWeights, weightBytes, type WeightPlan } from "./model/weight_plan.ts";
import {
  DEFAULT_MICRO_BATCH_TOKENS,
  type TrainerOptions,
  type TrainingMemory,
  type WeightFormat,
} from "./trainer.ts";
import { TrainingError } from "./training_error.ts";

/**
 * What `auto` tries, best first: a matrix unit is fastest at 8 bits, other x86 processors at 16 in the forward pass
 * (ggml_vec_dot_bf16 in vec.cpp).
 */
export function autoFormats(): readonly FixedFormat[] {
  const isMixedBest = Deno.build.arch === "x86_64" && matrixUnitMemory(openGgml()) === null;
  return isMixedBest ? ["mixed", "q8_0", "file"] : ["q8_0", "file"];
}

/** Share of the free memory that training may take: the rest is for serving and for the system. */
const USABLE_SHARE = 0.8;
const GIBIBYTE = 1024 ** 3;

/** How many probabilities attention computes for each head of a sample: a block sees no further than its end. */
function probabilitiesOf(paddedLength: number): { all: number; largestBlock: number } {
  const sizes = blockEnds(paddedLength).map((end, index, ends) => (end - (ends[index - 1] ?? 0)) * end);
  return { all: sizes.reduce((sum, size) => sum + size, 0), largestBlock: Math.max(...sizes) };
}

/** Numbers that a trained layer stores until its backward pass. */
function storedNumbers(shape: BatchShape, model: Hyperparameters, layout: LoraLayout): number {
  const { heads, keyValueHeads, headWidth, width, feedForward, features: { normsHeads, normsResults } } =
    model;
  const [query, key] = [heads * headWidth, keyValueHeads * headWidth];
  const { all } = probabilitiesOf(shape.paddedLength);
  const probabilities = shape.paddedLength <= LONGEST_STORED ? heads * all : 0;
  // Gate and up are stored in 16 bits.
  // Norms of results and of heads store what they are taken of.
  const ofNorms = (normsResults ? 2 * width : 0) + (normsHeads ? query + 2 * key : 0);
  const perPackedRow = 2 * width + query + feedForward + ofNorms + layout.targets.length * layout.rank;
  const perSample = shape.paddedLength * (query + 2 * key) + probabilities;
  return shape.rows * perPackedRow + shape.samples * perSample;
}

/** Numbers that are in memory only for a moment: the graph's peak. */
function transientNumbers(shape: BatchShape, model: Hyperparameters): number {
  const { heads, headWidth, width, feedForward, vocabularySize } = model;
  const paddedRows = shape.paddedLength * shape.samples;
  const { all, largestBlock } = probabilitiesOf(shape.paddedLength);
  // Probabilities of all blocks and their gradients stay until those of keys and values have been summed.
  const attention = heads * (2 * all + largestBlock) * shape.samples + paddedRows * 6 * heads * headWidth;
  const feed = shape.rows * (4 * feedForward + 2 * width);
  return Math.max(attention, feed, shape.predictedRows * vocabularySize);
}

/** Bytes of a micro-batch's results in training. */
export function activationBytes(
  shape: BatchShape,
  { model, layout }: { model: Hyperparameters; layout: LoraLayout },
): number {
  const trained = model.layers - layout.firstLayer;
  return (trained * storedNumbers(shape, model, layout) + transientNumbers(shape, model)) * F32_BYTES;
}

/** Assumed tokens of a sample when they are unknown: longer than most exchanges. */
const USUAL_SAMPLE_TOKENS = 256;

/** The largest micro-batch of samples of one length, half of each predicted. */
function largestShape(microBatchTokens: number, sampleTokens: number): BatchShape {
  const samples = Math.max(1, Math.floor(microBatchTokens / sampleTokens));
  const rows = samples * sampleTokens;
  return { rows, samples, paddedLength: sampleTokens, predictedRows: Math.ceil(rows / 2) };
}

export interface EstimateOptions {
  microBatchTokens: number;
  /** Tokens of the longest sample. */
  longestSample?: number;
}

function estimate(
  plan: WeightPlan,
  parts: { model: Hyperparameters; layout: LoraLayout },
  options: EstimateOptions,
): TrainingMemory {
  const shape = largestShape(options.microBatchTokens, options.longestSample ?? USUAL_SAMPLE_TOKENS);
  const memory = {
    weightsBytes: weightBytes(plan),
    adapterBytes: adapterBytes(parts.layout),
    activationsBytes: activationBytes(shape, parts),
  };
  const { weightsBytes, adapterBytes: adapter, activationsBytes } = memory;
  return { ...memory, totalBytes: weightsBytes + adapter + activationsBytes };
}

/** Plans a model's weights: in the requested format, or for `auto` the best one that fits in memory. */
export function choosePlan(
  file: GgufFile,
  parts: { model: Hyperparameters; layout: LoraLayout },
  options: EstimateOptions & { weights: WeightFormat },
): { plan: WeightPlan; format: FixedFormat } {
  const { weights } = options;
  const matrixUnit = matrixUnitMemory(openGgml()) !== null;
  const usableBytes = Deno.systemMemoryInfo().available * USABLE_SHARE;
  const planned = (format: FixedFormat) => {
    const plan = planWeights(file, parts.model, {
      format,
      firstTrained: parts.layout.firstLayer,
      matrixUnit,
    });
    return { plan, format };
  };
  if (weights !== "auto") return planned(weights);
  const candidates = autoFormats().map(planned);
  const fitting = candidates.find(({ plan }) => estimate(plan, parts, options).totalBytes <= usableBytes);
  return fitting ?? planned("file");
}

/**
 * Bytes that training will need in addition to the process itself. Reads only the model's directory.
 *
 * @throws TrainingError as `createTrainer` does
 */
export function estimateTrainingMemory(
  options: TrainerOptions,
  { longestSample }: { longestSample?: number } = {},
): TrainingMemory {
  using file = new GgufFile(openGgml(), options.modelPath);
  const model = readHyperparameters(file);
  const parts = { model, layout: layOutLora(options.lora, model) };
  const sizes = { microBatchTokens: options.microBatchTokens ?? DEFAULT_MICRO_BATCH_TOKENS, longestSample };
  const { plan } = choosePlan(file, parts, { weights: options.weights ?? "auto", ...sizes });
  return estimate(plan, parts, sizes);
}

export interface MemoryChoice {
  weights: FixedFormat;
  memory: TrainingMemory;
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(bytes < 10 * GIBIBYTE ? 2 : 0)} GiB`;
}

/**
 * Chooses the format of the frozen weights: the requested one, or for `auto` the best one that fits.
 *
 * @param options `limitBytes`: what training may take; absent: a share of the free memory
 * @throws TrainingError `out_of_memory` when nothing fits; otherwise as `createTrainer` does
 */
export function chooseWeights(
  trainer: TrainerOptions,
  options: { longestSample: number; limitBytes?: number },
): MemoryChoice {
  const { longestSample, limitBytes = Deno.systemMemoryInfo().available * USABLE_SHARE } = options;
  const asked = trainer.weights ?? "auto";
  const candidates = asked === "auto" ? autoFormats() : [asked];
  let least: MemoryChoice | undefined;
  for (const weights of candidates) {
    const memory = estimateTrainingMemory({ ...trainer, weights }, { longestSample });
    if (memory.totalBytes <= limitBytes) return { weights, memory };
    if (least === undefined || memory.totalBytes < least.memory.totalBytes) least = { weights, memory };
  }
  throw new TrainingError(
    "out_of_memory",
    `Training needs ${gibibytes(least?.memory.totalBytes ?? 0)} of memory and may take ${
      gibibytes(limitBytes)
    }`,
    { fix: "Take a smaller model, fewer layers, a lower rank or shorter samples, or free memory" },
  );
}
