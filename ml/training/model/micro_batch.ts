/** Checks, groups and packs samples into micro-batches: rows without padding, with indices to and from padded rows. */
import type { TokenSample } from "../trainer.ts";
import type { BatchShape } from "./batch_inputs.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import { TrainingError } from "../training_error.ts";

/** Products of 32-bit floats are fast along lengths that are multiples of this. */
const ROW_MULTIPLE = 16;

/** A sample with its index among the samples of a call. */
export interface IndexedSample {
  sample: TokenSample;
  index: number;
}

/** The contents of the `BatchInputs` tensors of the same names. */
export interface MicroBatch {
  shape: BatchShape;
  /** Packed rows that hold tokens; a prefix shared by all samples is stored once. */
  tokenCount: number;
  tokens: Int32Array<ArrayBuffer>;
  toPadded: Int32Array<ArrayBuffer>;
  ownToPadded: Int32Array<ArrayBuffer>;
  toPacked: Int32Array<ArrayBuffer>;
  predicted: Int32Array<ArrayBuffer>;
  predictedFromPadded: Int32Array<ArrayBuffer>;
  toPredicted: Int32Array<ArrayBuffer>;
  paddedToPredicted: Int32Array<ArrayBuffer>;
  /** The token that each prediction should give; 0 for filler rows. */
  labels: Int32Array<ArrayBuffer>;
  /** The sample's index for each prediction; -1 for filler rows. */
  owners: Int32Array<ArrayBuffer>;
  /** The sample's weight for each prediction; 0 for filler rows. */
  weights: Float64Array<ArrayBuffer>;
}

/** Tokens computed for a sample: its last token predicts nothing. */
export function computedTokens({ prompt, reply }: TokenSample): number {
  return prompt.length + reply.length - 1;
}

/** Rounds up to a multiple, leaving at least one filler row. */
function roomFor(rows: number): number {
  return Math.ceil((rows + 1) / ROW_MULTIPLE) * ROW_MULTIPLE;
}

/**
 * Groups samples of similar length so that no micro-batch has more than `maxTokens` rows, padding included, unless a
 * single sample does. The order of samples changes a step's sums only by rounding.
 */
export function groupSamples(
  samples: readonly TokenSample[],
  options: { maxTokens: number },
): IndexedSample[][] {
  const ordered = samples.map((sample, index) => ({ sample, index }))
    .sort((a, b) => computedTokens(b.sample) - computedTokens(a.sample) || a.index - b.index);
  const groups: IndexedSample[][] = [];
  let paddedLength = 0;
  for (const entry of ordered) {
    const group = groups.at(-1);
    if (group !== undefined && paddedLength * (group.length + 1) <= options.maxTokens) group.push(entry);
    else {
      groups.push([entry]);
      paddedLength = roomFor(computedTokens(entry.sample));
    }
  }
  return groups;
}

/** Length of the prefix that all samples share, as far as it predicts nothing: it is computed once. */
function sharedTokens(group: readonly IndexedSample[]): number {
  const [first, ...others] = group.map(({ sample }) => sample.prompt);
  if (first === undefined || others.length === 0) return 0;
  return others.reduce((shared, prompt) => {
    const end = Math.min(shared, prompt.length - 1);
    const difference = first.findIndex((token, position) => position >= end || token !== prompt[position]);
    return difference === -1 ? end : difference;
  }, first.length - 1);
}

/** The sizes of a group's graph. */
function shapeOf(group: readonly IndexedSample[]): BatchShape {
  const lengths = group.map(({ sample }) => computedTokens(sample));
  const predictions = group.reduce((sum, { sample }) => sum + sample.reply.length, 0);
  const repeated = sharedTokens(group) * (group.length - 1);
  return {
    rows: roomFor(lengths.reduce((sum, length) => sum + length, 0) - repeated),
    samples: group.length,
    paddedLength: roomFor(Math.max(...lengths)),
    predictedRows: roomFor(predictions),
  };
}

/** A batch in which every row is a filler row. */
function emptyBatch(shape: BatchShape): MicroBatch {
  const { rows, samples, paddedLength, predictedRows } = shape;
  const paddedRows = paddedLength * samples;
  return {
    shape,
    tokenCount: 0,
    tokens: new Int32Array(rows),
    toPadded: new Int32Array(paddedRows).fill(rows - 1),
    ownToPadded: new Int32Array(paddedRows).fill(rows - 1),
    toPacked: new Int32Array(rows).fill(paddedLength - 1),
    predicted: new Int32Array(predictedRows).fill(rows - 1),
    predictedFromPadded: new Int32Array(predictedRows).fill(paddedLength - 1),
    toPredicted: new Int32Array(rows).fill(predictedRows - 1),
    paddedToPredicted: new Int32Array(paddedRows).fill(predictedRows - 1),
    labels: new Int32Array(predictedRows),
    owners: new Int32Array(predictedRows).fill(-1),
    weights: new Float64Array(predictedRows),
  };
}

/**
 * Packs a group.
 *
 * Filler rows have no effect. The last packed row, the last padded row of each sample and the last prediction are always
 * fillers, and every index without a counterpart points to one of them. A prefix that all samples share is packed once,
 * and every sample attends to it.
 */
export function packGroup(group: readonly IndexedSample[]): MicroBatch {
  const batch = emptyBatch(shapeOf(group));
  const { paddedLength } = batch.shape;
  const shared = sharedTokens(group);
  let predictions = 0;
  group.forEach(({ sample, index }, slot) => {
    const ids = [...sample.prompt, ...sample.reply];
    for (let position = 0; position < ids.length - 1; position++) {
      const padded = slot * paddedLength + position;
      if (slot > 0 && position < shared) {
        batch.toPadded[padded] = position;
        continue;
      }
      const packed = batch.tokenCount++;
      batch.tokens[packed] = ids[position] ?? 0;
      batch.toPadded[padded] = packed;
      batch.ownToPadded[padded] = packed;
      batch.toPacked[packed] = padded;
      if (position < sample.prompt.length - 1) continue;
      const prediction = predictions++;
      batch.predicted[prediction] = packed;
      batch.predictedFromPadded[prediction] = padded;
      batch.toPredicted[packed] = prediction;
      batch.paddedToPredicted[padded] = prediction;
      batch.labels[prediction] = ids[position + 1] ?? 0;
      batch.owners[prediction] = index;
      batch.weights[prediction] = sample.weight ?? 1;
    }
  });
  return batch;
}

interface CheckOptions {
  /** Weights may be below 0. */
  signed?: boolean;
}

function faultOf(
  sample: TokenSample,
  model: Hyperparameters,
  { signed = false }: CheckOptions,
): string | undefined {
  const { prompt, reply, weight = 1 } = sample;
  if (prompt.length === 0) return "has no prompt";
  if (reply.length === 0) return "has no reply";
  if (!Number.isFinite(weight) || weight === 0 || (weight < 0 && !signed)) {
    return `has a weight of ${weight}, which must ${signed ? "not be 0" : "be above 0"}`;
  }
  if (computedTokens(sample) > model.contextLength) {
    return `has ${prompt.length + reply.length} tokens, the model's context only ${model.contextLength}`;
  }
  const isKnown = (token: number) => Number.isInteger(token) && token >= 0 && token < model.vocabularySize;
  return prompt.every(isKnown) && reply.every(isKnown)
    ? undefined
    : "has a token that the model does not know";
}

/** @throws TrainingError `bad_sample` for the first sample that cannot be computed, and for none at all */
export function checkSamples(
  samples: readonly TokenSample[],
  model: Hyperparameters,
  options: CheckOptions = {},
): void {
  if (samples.length === 0) throw new TrainingError("bad_sample", "There are no samples");
  samples.forEach((sample, index) => {
    const fault = faultOf(sample, model, options);
    if (fault !== undefined) throw new TrainingError("bad_sample", `Sample ${index + 1} ${fault}`);
  });
}
