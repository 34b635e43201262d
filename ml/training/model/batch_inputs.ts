/** Defines the sizes of a micro-batch's graph and the input tensors that carry the batch, attention's included. */
import type { Tensor } from "../ggml/ffi.ts";
import { F32, I32, type TensorContext } from "../ggml/tensor_context.ts";

/** The sizes that determine a graph. */
export interface BatchShape {
  /** Packed rows: the tokens of all samples, padded with filler rows to a multiple of 16. */
  rows: number;
  samples: number;
  /** See `AttentionInputs.paddedLength`. */
  paddedLength: number;
  /** Rows whose next token is predicted, and filler rows. */
  predictedRows: number;
}

/** Input tensors of a graph; `micro_batch.ts` says what they hold. */
export interface BatchInputs {
  attention: AttentionInputs;
  /** [rows]: token ids. */
  tokens: Tensor;
  /** [predictedRows]: the packed row of each prediction. */
  predicted: Tensor;
  /** [predictedRows]: the padded row of each prediction. */
  predictedFromPadded: Tensor;
  /** [rows]: the prediction of each packed row; rows that predict nothing point to one without weight. */
  toPredicted: Tensor;
  /** [paddedLength · samples]: the prediction of each padded row, likewise. */
  paddedToPredicted: Tensor;
  /** [predictedRows]: where each row's next token lies in the flattened [vocabulary, predictedRows] matrix. */
  labels: Tensor;
  /** [1, predictedRows]: the share of each prediction in the loss. */
  shares: Tensor;
}

/**
 * Creates the input tensors of a graph.
 *
 * @param options `window`: how many positions windowed layers see; null without such layers
 */
export function batchInputs(
  context: TensorContext,
  shape: BatchShape,
  options: { window: number | null },
): BatchInputs {
  const { rows, samples, paddedLength, predictedRows } = shape;
  // A window that holds the longest sample hides nothing.
  const isHiding = options.window !== null && options.window < paddedLength;
  const indices = (length: number) => context.input(I32, [length]);
  return {
    attention: {
      samples,
      paddedLength,
      toPadded: indices(paddedLength * samples),
      ownToPadded: indices(paddedLength * samples),
      toPacked: indices(rows),
      positions: indices(paddedLength),
      blocks: blockEnds(paddedLength).map((end, index, ends) => {
        const first = ends[index - 1] ?? 0;
        const mask = () => context.input(F32, [end, end - first]);
        const full = mask();
        return { first, end, mask: full, windowMask: isHiding ? mask() : full };
      }),
    },
    tokens: indices(rows),
    predicted: indices(predictedRows),
    predictedFromPadded: indices(predictedRows),
    toPredicted: indices(rows),
    paddedToPredicted: indices(paddedLength * samples),
    labels: indices(predictedRows),
    shares: context.input(F32, [1, predictedRows]),
  };
}

/** Attention probabilities of longer samples are recomputed in the backward pass: they would dominate its memory. */
export const LONGEST_STORED = 256;

/** Sizes and index tensors of one batch's attention, the only place where samples are padded to one length. */
export interface AttentionInputs {
  samples: number;
  /** Length to which samples are padded: longer than each, and a multiple of 16. */
  paddedLength: number;
  /** [paddedLength · samples]: the packed row behind each padded row. Shared rows are named by every sample. */
  toPadded: Tensor;
  /** The same, but shared rows are named only by the sample whose results are used. */
  ownToPadded: Tensor;
  /** [packed rows]: the padded row of each packed row. */
  toPacked: Tensor;
  /** [paddedLength]: 0, 1, 2, … */
  positions: Tensor;
  /** In order of position; together they cover all positions. */
  blocks: readonly AttentionBlock[];
}

/** Positions whose queries are computed together; they see no key after the last of them. */
export interface AttentionBlock {
  first: number;
  /** After the last position. */
  end: number;
  /** [end, end - first]: 0 where a query may look, -Infinity beyond. */
  mask: Tensor;
  /** The same of windowed layers; the same tensor where the window hides nothing. */
  windowMask: Tensor;
}

/** Lengths are split at multiples of this: products of 32-bit floats are fast along such lengths. */
const BLOCK_MULTIPLE = 16;

/**
 * Where a length is split into blocks. More blocks waste less work above the diagonal (half of it with one block, an
 * eighth with four), but small products are slow.
 */
export function blockEnds(length: number): number[] {
  const count = length < 96 ? 1 : length < 256 ? 2 : 4;
  const ends = Array.from(
    { length: count },
    (_, index) => Math.ceil(length * (index + 1) / count / BLOCK_MULTIPLE) * BLOCK_MULTIPLE,
  );
  return [...ends.slice(0, -1), length];
}
