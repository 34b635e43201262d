/** Rearranges attention's heads in memory: token rows, heads, and blocks of positions. */
import { F32_BYTES } from "../ggml/constants.ts";
import type { Tensor } from "../ggml/ffi.ts";
import type { TensorContext } from "../ggml/tensor_context.ts";
import type { AttentionInputs } from "./batch_inputs.ts";
import type { Hyperparameters } from "./hyperparameters.ts";

/** Positions from `first` up to before `end`. */
export interface PositionRange {
  first: number;
  end: number;
}

/** Layouts of one batch's heads. `g` is the number of query heads per key head. */
export class HeadLayout {
  /** Query heads that share one key and value head: their rows form one product. */
  readonly group: number;
  readonly #context: TensorContext;
  readonly #sizes: { model: Hyperparameters; inputs: AttentionInputs };

  constructor(context: TensorContext, sizes: { model: Hyperparameters; inputs: AttentionInputs }) {
    this.#context = context;
    this.#sizes = sizes;
    this.group = sizes.model.heads / sizes.model.keyValueHeads;
  }

  /** A view of some heads of padded rows, [head, count, length, samples]. */
  headsOf(padded: Tensor, options: { first: number; count: number }): Tensor {
    const { model: { heads, keyValueHeads, headWidth }, inputs: { paddedLength, samples } } = this.#sizes;
    const rowBytes = (heads + 2 * keyValueHeads) * headWidth * F32_BYTES;
    return this.#context.view(padded, {
      shape: [headWidth, options.count, paddedLength, samples],
      strides: [headWidth * F32_BYTES, rowBytes, rowBytes * paddedLength],
      offset: options.first * headWidth * F32_BYTES,
    });
  }

  /** Swaps the second and the third dimension: heads and positions. */
  byHead(heads: Tensor): Tensor {
    return this.#context.permute(heads, [0, 2, 1, 3]);
  }

  /** A view of some positions of [head, count, length, samples]. */
  positionsOf(heads: Tensor, range: PositionRange & { count: number }): Tensor {
    const { model: { headWidth }, inputs: { paddedLength, samples } } = this.#sizes;
    const { first, end, count } = range;
    const row = headWidth * F32_BYTES;
    return this.#context.view(heads, {
      shape: [headWidth, count, end - first, samples],
      strides: [row, row * count, row * count * paddedLength],
      offset: first * row * count,
    });
  }

  /** A view of the first columns of [length, head, key heads, samples]. */
  columnsOf(matrices: Tensor, count: number): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength, samples } } = this.#sizes;
    const row = paddedLength * F32_BYTES;
    return this.#context.view(matrices, {
      shape: [count, headWidth, keyValueHeads, samples],
      strides: [row, row * headWidth, row * headWidth * keyValueHeads],
    });
  }

  /** A view of the first rows of [head, length, key heads, samples]. */
  rowsOf(matrices: Tensor, count: number): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength, samples } } = this.#sizes;
    const row = headWidth * F32_BYTES;
    return this.#context.view(matrices, {
      shape: [headWidth, count, keyValueHeads, samples],
      strides: [row, row * paddedLength, row * paddedLength * keyValueHeads],
    });
  }

  /** Concatenates blocks [head, heads, block, samples]. */
  joined(blocks: readonly Tensor[]): Tensor {
    return blocks.reduce((joined, next) => this.#context.concat(joined, next, { dimension: 2 }));
  }

  /** The sum of gradients [head, keys, key heads, samples]: each reaches as far as its block, the last one all the way. */
  summed(gradients: readonly Tensor[]): Tensor {
    const { model: { headWidth, keyValueHeads }, inputs: { paddedLength } } = this.#sizes;
    return gradients.reduceRight((sum, next) =>
      this.#context.addPartInPlace(sum, next, { shape: [headWidth, paddedLength, keyValueHeads] })
    );
  }

  /** A block of [head, heads, length, samples] to [head, block · g, key heads, samples]. */
  grouped(all: Tensor, { first, end }: PositionRange): Tensor {
    const { model: { heads: count, keyValueHeads, headWidth }, inputs: { samples } } = this.#sizes;
    const heads = this.positionsOf(all, { first, end, count });
    return this.#context.reshape(this.#context.contiguous(this.byHead(heads)), [
      headWidth,
      (end - first) * this.group,
      keyValueHeads,
      samples,
    ]);
  }

  /** [width, block · g, key heads, samples] to [width, block, heads, samples]. */
  ungrouped(grouped: Tensor, { first, end }: PositionRange, options: { width: number }): Tensor {
    const { model: { heads }, inputs: { samples } } = this.#sizes;
    return this.#context.reshape(grouped, [options.width, end - first, heads, samples]);
  }
}
