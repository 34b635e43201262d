/** Owns the sizes and index tensors that attention works by, and the blocks of positions it is computed in. */
import type { Tensor } from "../ggml/handles.ts";

/** Probabilities of longer samples are most of what a layer would keep for its backward pass: they are computed anew. */
export const LONGEST_KEPT = 256;

/** Sizes and index tensors of one batch's attention. Samples are padded to one length here and nowhere else. */
export interface AttentionInputs {
  samples: number;
  /** Length to which samples are padded: longer than each, and a multiple of 16. */
  paddedLength: number;
  /** [paddedLength · samples]: the packed row that each padded row is. Rows that samples share are named by each. */
  toPadded: Tensor;
  /** The same, but shared rows are named by one sample only: the one whose results are used. */
  ownToPadded: Tensor;
  /** [packed rows]: the padded row that each packed row is. */
  toPacked: Tensor;
  /** [paddedLength]: 0, 1, 2, … */
  positions: Tensor;
  /** In the order of their positions; together they are all of them. */
  blocks: readonly AttentionBlock[];
}

/** Positions whose queries are computed together; they look at no key after the last of them. */
export interface AttentionBlock {
  first: number;
  /** After the last position. */
  end: number;
  /** [end, end - first]: 0 where a row may look, -Infinity after it. */
  mask: Tensor;
}

/** Lengths are split at multiples of this: products of 32-bit floats are fast along them. */
const BLOCK_MULTIPLE = 16;

/**
 * Where a length is split into blocks: the more of them, the less is computed in vain above the diagonal, a half of
 * it with one block and an eighth with four; but small products are slow.
 */
export function blockEnds(length: number): number[] {
  const count = length < 96 ? 1 : length < 256 ? 2 : 4;
  const ends = Array.from(
    { length: count },
    (_, index) => Math.ceil(length * (index + 1) / count / BLOCK_MULTIPLE) * BLOCK_MULTIPLE,
  );
  return [...ends.slice(0, -1), length];
}
