/** Owns attention in the graph, forward and backward: every sample attends to itself alone. */
import type { Tensor } from "../ggml/handles.ts";
import type { Rope, TensorContext } from "../ggml/tensor_context.ts";
import type { Hyperparameters } from "./hyperparameters.ts";

const F32_BYTES = 4;

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

/** What the backward pass needs of the forward pass. `g` is the number of query heads to a key head. */
export interface AttentionTrace {
  /** The packed query, key and value. */
  qkv: Tensor;
  /** Rotated keys [head, key heads, length, samples]. */
  keys: Tensor;
  /** Transposed values [length, head, key heads, samples]. */
  values: Tensor;
  blocks: readonly BlockTrace[];
}

interface BlockTrace {
  block: AttentionBlock;
  /** Rotated queries [head, block · g, key heads, samples]. */
  queries: Tensor;
  /** Probabilities [keys, block · g, key heads, samples]; computed anew where keeping them takes much memory. */
  probabilities: () => Tensor;
}

/** What the backward pass of one block finds. Gradients of keys and values are those up to the block's end. */
interface BlockGradients {
  /** [head, heads, block, samples], not contiguous. */
  ofQueries: Tensor;
  /** [head, keys, key heads, samples]. */
  ofKeys: Tensor;
  ofValues: Tensor;
}

export interface AttentionOptions {
  model: Hyperparameters;
  ropeFactors: Tensor | null;
  inputs: AttentionInputs;
}

/** Attention of one layer over a batch. */
export class Attention {
  readonly #context: TensorContext;
  readonly #options: AttentionOptions;
  /** Query heads that share one head of keys and values: they are rows of one product. */
  readonly #group: number;
  readonly #scale: number;

  constructor(context: TensorContext, options: AttentionOptions) {
    const { heads, keyValueHeads, headWidth } = options.model;
    this.#context = context;
    this.#options = options;
    this.#group = heads / keyValueHeads;
    this.#scale = 1 / Math.sqrt(headWidth);
  }

  /**
   * @param qkv packed rows of query, key and value, [width of all three, rows]
   * @param options `rows` picks the packed rows that are wanted, [any number]
   * @returns rows of all heads' results, before the output matrix
   */
  forward(qkv: Tensor, options: { rows: Tensor }): { result: Tensor; trace: AttentionTrace } {
    const context = this.#context;
    const { model: { heads, keyValueHeads, headWidth }, inputs: { paddedLength, samples } } = this.#options;
    const padded = context.getRows(qkv, this.#options.inputs.toPadded);
    const queries = this.#rotated(this.#headsOf(padded, { first: 0, count: heads }));
    const keys = this.#rotated(this.#headsOf(padded, { first: heads, count: keyValueHeads }));
    const values = context.contiguous(context.permute(
      this.#headsOf(padded, { first: heads + keyValueHeads, count: keyValueHeads }),
      [1, 2, 0, 3],
    ));
    const parts = this.#options.inputs.blocks.map((block) =>
      this.#forwardBlock(block, { queries, keys, values })
    );
    const byPosition = this.#joined(parts.map(({ result }) => result));
    const rows = context.reshape(byPosition, [heads * headWidth, paddedLength * samples]);
    const blocks = parts.map(({ trace }) => trace);
    return { result: context.getRows(rows, options.rows), trace: { qkv, keys, values, blocks } };
  }

  #forwardBlock(
    block: AttentionBlock,
    { queries, keys, values }: { queries: Tensor; keys: Tensor; values: Tensor },
  ): { result: Tensor; trace: BlockTrace } {
    const context = this.#context;
    const { model: { keyValueHeads, headWidth }, inputs: { paddedLength, blocks } } = this.#options;
    const ofBlock = this.#grouped(queries, block);
    const seen = this.#byHead(this.#positionsOf(keys, { first: 0, end: block.end, count: keyValueHeads }));
    const compute = () => this.#probabilities(context.mulMat(seen, ofBlock), block);
    const kept = compute();
    const probabilities = paddedLength <= LONGEST_KEPT ? () => kept : compute;
    const mixed = context.mulMat(this.#columnsOf(values, block.end), kept);
    const result = this.#byHead(this.#ungrouped(mixed, block, { width: headWidth }));
    return {
      result: blocks.length === 1 ? context.contiguous(result) : result,
      trace: { block, queries: ofBlock, probabilities },
    };
  }

  /**
   * @param gradient of the forward result, and of rows that no sample has, which are zero
   * @param options `rows` is the row of `gradient` that each padded row is
   * @returns gradient of the packed query, key and value
   */
  backward(gradient: Tensor, trace: AttentionTrace, options: { rows: Tensor }): Tensor {
    const context = this.#context;
    const { model: { heads, keyValueHeads, headWidth }, inputs } = this.#options;
    const { paddedLength, samples, toPadded } = inputs;
    const padded = context.reshape(context.getRows(gradient, options.rows), [
      headWidth,
      heads,
      paddedLength,
      samples,
    ]);
    const transposed = {
      keys: context.contiguous(context.permute(trace.keys, [1, 2, 0, 3])),
      values: context.contiguous(context.transpose(trace.values)),
    };
    const gradients = trace.blocks.map((block) => this.#backwardBlock(padded, block, transposed));
    const joined = [
      this.#rotatedBack(this.#joined(gradients.map(({ ofQueries }) => ofQueries))),
      this.#rotatedBack(this.#byHead(this.#summed(gradients.map(({ ofKeys }) => ofKeys)))),
      this.#byHead(this.#summed(gradients.map(({ ofValues }) => ofValues))),
    ].reduce((joined, next) => context.concat(joined, next, { dimension: 1 }));
    const width = (heads + 2 * keyValueHeads) * headWidth;
    const rows = context.reshape(joined, [width, paddedLength * samples]);
    return context.getRowsBack(rows, toPadded, { like: trace.qkv });
  }

  /** @param transposed keys [length, head, key heads, samples] and values [head, length, key heads, samples] */
  #backwardBlock(
    gradient: Tensor,
    { block, queries, probabilities: computed }: BlockTrace,
    transposed: { keys: Tensor; values: Tensor },
  ): BlockGradients {
    const context = this.#context;
    const probabilities = computed();
    const result = this.#grouped(gradient, block);
    const ofProbabilities = context.mulMat(this.#rowsOf(transposed.values, block.end), result);
    const ofScores = context.softMaxBack(ofProbabilities, probabilities, { scale: this.#scale });
    const ofQueries = context.mulMat(this.#columnsOf(transposed.keys, block.end), ofScores);
    return {
      ofQueries: this.#byHead(this.#ungrouped(ofQueries, block, { width: this.#options.model.headWidth })),
      ofKeys: context.outProd(queries, ofScores),
      ofValues: context.outProd(result, probabilities),
    };
  }

  /** Some heads of padded rows, [head, count, length, samples], not contiguous. */
  #headsOf(padded: Tensor, options: { first: number; count: number }): Tensor {
    const { model: { heads, keyValueHeads, headWidth }, inputs: { paddedLength, samples } } = this.#options;
    const rowBytes = (heads + 2 * keyValueHeads) * headWidth * F32_BYTES;
    return this.#context.view(padded, {
      shape: [headWidth, options.count, paddedLength, samples],
      strides: [headWidth * F32_BYTES, rowBytes, rowBytes * paddedLength],
      offset: options.first * headWidth * F32_BYTES,
    });
  }

  get #ropeOptions(): { rope: Rope; factors: Tensor | null } {
    return { rope: this.#options.model.rope, factors: this.#options.ropeFactors };
  }

  #rotated(heads: Tensor): Tensor {
    return this.#context.rope(heads, this.#options.inputs.positions, this.#ropeOptions);
  }

  /** The adjoint of `rotated`. */
  #rotatedBack(heads: Tensor): Tensor {
    return this.#context.ropeBack(heads, this.#options.inputs.positions, this.#ropeOptions);
  }

  /** Swaps the second and the third dimension: heads and positions. */
  #byHead(heads: Tensor): Tensor {
    return this.#context.permute(heads, [0, 2, 1, 3]);
  }

  /** Positions of [head, count, length, samples], no copy. */
  #positionsOf(heads: Tensor, range: { first: number; end: number; count: number }): Tensor {
    const { model: { headWidth }, inputs: { paddedLength, samples } } = this.#options;
    const { first, end, count } = range;
    const row = headWidth * F32_BYTES;
    return this.#context.view(heads, {
      shape: [headWidth, count, end - first, samples],
      strides: [row, row * count, row * count * paddedLength],
      offset: first * row * count,
    });
  }

  /** The first columns of [length, head, key heads, samples], no copy. */
  #columnsOf(matrices: Tensor, count: number): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength, samples } } = this.#options;
    const row = paddedLength * F32_BYTES;
    return this.#context.view(matrices, {
      shape: [count, headWidth, keyValueHeads, samples],
      strides: [row, row * headWidth, row * headWidth * keyValueHeads],
    });
  }

  /** The first rows of [head, length, key heads, samples], no copy. */
  #rowsOf(matrices: Tensor, count: number): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength, samples } } = this.#options;
    const row = headWidth * F32_BYTES;
    return this.#context.view(matrices, {
      shape: [headWidth, count, keyValueHeads, samples],
      strides: [row, row * paddedLength, row * paddedLength * keyValueHeads],
    });
  }

  /** Blocks [head, heads, block, samples] one after the other. */
  #joined(blocks: readonly Tensor[]): Tensor {
    return blocks.reduce((joined, next) => this.#context.concat(joined, next, { dimension: 2 }));
  }

  /** The sum of gradients [head, keys, key heads, samples]: each reaches as far as its block, the last one all the way. */
  #summed(gradients: readonly Tensor[]): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength } } = this.#options;
    return gradients.reduceRight((sum, next) =>
      this.#context.addPartInPlace(sum, next, { shape: [headWidth, paddedLength, keyValueHeads] })
    );
  }

  /** A block of [head, heads, length, samples] to [head, block · g, key heads, samples]. */
  #grouped(all: Tensor, { first, end }: { first: number; end: number }): Tensor {
    const { model: { heads: count, keyValueHeads, headWidth }, inputs: { samples } } = this.#options;
    const heads = this.#positionsOf(all, { first, end, count });
    return this.#context.reshape(this.#context.contiguous(this.#byHead(heads)), [
      headWidth,
      (end - first) * this.#group,
      keyValueHeads,
      samples,
    ]);
  }

  /** [width, block · g, key heads, samples] to [width, block, heads, samples]. */
  #ungrouped(grouped: Tensor, { first, end }: AttentionBlock, options: { width: number }): Tensor {
    const { model: { heads }, inputs: { samples } } = this.#options;
    return this.#context.reshape(grouped, [options.width, end - first, heads, samples]);
  }

  #probabilities(scores: Tensor, block: AttentionBlock): Tensor {
    const { model: { keyValueHeads }, inputs: { samples } } = this.#options;
    const { first, end, mask } = block;
    const byHead = this.#ungrouped(scores, block, { width: end });
    const probabilities = this.#context.softMax(byHead, mask, { scale: this.#scale });
    return this.#context.reshape(probabilities, [end, (end - first) * this.#group, keyValueHeads, samples]);
  }
}
