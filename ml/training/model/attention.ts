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
  /** [paddedLength, paddedLength]: 0 where a row may look, -Infinity after it. */
  mask: Tensor;
}

/** What the backward pass needs of the forward pass. `g` is the number of query heads to a key head. */
export interface AttentionTrace {
  /** The packed query, key and value. */
  qkv: Tensor;
  /** Rotated queries [head, length · g, key heads, samples]. */
  queries: Tensor;
  /** Rotated keys [head, length, key heads, samples], not contiguous. */
  keys: Tensor;
  /** Transposed values [length, head, key heads, samples]. */
  values: Tensor;
  /** Probabilities [keys, queries · g, key heads, samples]; computed anew where keeping them takes much memory. */
  probabilities: () => Tensor;
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
    const queries = this.#grouped(this.#rotated(this.#headsOf(padded, { first: 0, count: heads })));
    const keys = this.#byHead(this.#rotated(this.#headsOf(padded, { first: heads, count: keyValueHeads })));
    const values = context.contiguous(context.permute(
      this.#headsOf(padded, { first: heads + keyValueHeads, count: keyValueHeads }),
      [1, 2, 0, 3],
    ));
    const compute = () => this.#probabilities(context.mulMat(keys, queries));
    const kept = compute();
    const probabilities = paddedLength <= LONGEST_KEPT ? () => kept : compute;
    const mixed = context.mulMat(values, kept);
    const byPosition = context.permute(this.#ungrouped(mixed, headWidth), [0, 2, 1, 3]);
    const rows = context.reshape(context.contiguous(byPosition), [heads * headWidth, paddedLength * samples]);
    return {
      result: context.getRows(rows, options.rows),
      trace: { qkv, queries, keys, values, probabilities },
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
    const { qkv, queries, keys, values } = trace;
    const probabilities = trace.probabilities();
    const padded = context.getRows(gradient, options.rows);
    const result = this.#grouped(context.reshape(padded, [headWidth, heads, paddedLength, samples]));
    const ofProbabilities = context.mulMat(this.#transposed(values), result);
    const ofScores = context.softMaxBack(ofProbabilities, probabilities, { scale: this.#scale });
    const ofQueries = context.mulMat(this.#transposed(keys), ofScores);
    const ofKeys = context.outProd(queries, ofScores);
    const ofValues = context.outProd(result, probabilities);
    const joined = [
      this.#rotatedBack(this.#ungrouped(ofQueries, headWidth)),
      this.#rotatedBack(ofKeys),
      context.permute(ofValues, [0, 2, 1, 3]),
    ].reduce((joined, next) => context.concat(joined, next, { dimension: 1 }));
    const width = (heads + 2 * keyValueHeads) * headWidth;
    const rows = context.reshape(joined, [width, paddedLength * samples]);
    return context.getRowsBack(rows, toPadded, { like: qkv });
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

  /** From gradients by head to gradients by position, turned back. */
  #rotatedBack(byHead: Tensor): Tensor {
    return this.#context.ropeBack(this.#byHead(byHead), this.#options.inputs.positions, this.#ropeOptions);
  }

  /** Swaps heads and positions. */
  #byHead(heads: Tensor): Tensor {
    return this.#context.permute(heads, [0, 2, 1, 3]);
  }

  /** [head, heads, length, samples] to [head, length · g, key heads, samples]. */
  #grouped(heads: Tensor): Tensor {
    const { model: { keyValueHeads, headWidth }, inputs: { paddedLength, samples } } = this.#options;
    return this.#context.reshape(this.#context.contiguous(this.#byHead(heads)), [
      headWidth,
      paddedLength * this.#group,
      keyValueHeads,
      samples,
    ]);
  }

  /** [n, length · g, key heads, samples] to [n, length, heads, samples]. */
  #ungrouped(grouped: Tensor, rowWidth: number): Tensor {
    const { model: { heads }, inputs: { paddedLength, samples } } = this.#options;
    return this.#context.reshape(grouped, [rowWidth, paddedLength, heads, samples]);
  }

  #probabilities(scores: Tensor): Tensor {
    const { model: { keyValueHeads }, inputs: { paddedLength, samples, mask } } = this.#options;
    const byHead = this.#ungrouped(scores, paddedLength);
    const probabilities = this.#context.softMax(byHead, mask, { scale: this.#scale });
    const shape = [paddedLength, paddedLength * this.#group, keyValueHeads, samples] as const;
    return this.#context.reshape(probabilities, shape);
  }

  #transposed(matrices: Tensor): Tensor {
    return this.#context.contiguous(this.#context.transpose(matrices));
  }
}
