/** Builds attention in the graph, forward and backward; each sample attends only to itself. */
import type { Tensor } from "../ggml/ffi.ts";
import type { Rope, TensorContext } from "../ggml/tensor_context.ts";
import { type AttentionBlock, type AttentionInputs, LONGEST_STORED } from "./batch_inputs.ts";
import { HeadLayout } from "./head_layout.ts";
import type { Hyperparameters } from "./hyperparameters.ts";

/** What the backward pass needs from the forward pass. `g` is the number of query heads per key head. */
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
  /** Probabilities [keys, block · g, key heads, samples]; recomputed when storing them takes too much memory. */
  probabilities: () => Tensor;
}

/** Gradients of one block; those of keys and values reach as far as the block's end. */
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
  readonly #layout: HeadLayout;
  readonly #scale: number;

  constructor(context: TensorContext, options: AttentionOptions) {
    this.#context = context;
    this.#options = options;
    this.#layout = new HeadLayout(context, options);
    this.#scale = 1 / Math.sqrt(options.model.headWidth);
  }

  /**
   * @param qkv packed rows of query, key and value, [width of all three, rows]
   * @param options `rows` selects the packed rows to return
   * @returns rows of all heads' results, before the output matrix
   */
  forward(qkv: Tensor, options: { rows: Tensor }): { result: Tensor; trace: AttentionTrace } {
    const context = this.#context;
    const { model: { heads, keyValueHeads, headWidth }, inputs: { paddedLength, samples } } = this.#options;
    const padded = context.getRows(qkv, this.#options.inputs.toPadded);
    const queries = this.#rotated(this.#layout.headsOf(padded, { first: 0, count: heads }));
    const keys = this.#rotated(this.#layout.headsOf(padded, { first: heads, count: keyValueHeads }));
    const values = context.contiguous(context.permute(
      this.#layout.headsOf(padded, { first: heads + keyValueHeads, count: keyValueHeads }),
      [1, 2, 0, 3],
    ));
    const parts = this.#options.inputs.blocks.map((block) =>
      this.#forwardBlock(block, { queries, keys, values })
    );
    const byPosition = this.#layout.joined(parts.map(({ result }) => result));
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
    const ofBlock = this.#layout.grouped(queries, block);
    const seen = this.#layout.byHead(
      this.#layout.positionsOf(keys, { first: 0, end: block.end, count: keyValueHeads }),
    );
    const compute = () => this.#probabilities(context.mulMat(seen, ofBlock), block);
    const stored = compute();
    const probabilities = paddedLength <= LONGEST_STORED ? () => stored : compute;
    const mixed = context.mulMat(this.#layout.columnsOf(values, block.end), stored);
    const result = this.#layout.byHead(this.#layout.ungrouped(mixed, block, { width: headWidth }));
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
      this.#rotatedBack(this.#layout.joined(gradients.map(({ ofQueries }) => ofQueries))),
      this.#rotatedBack(this.#layout.byHead(this.#layout.summed(gradients.map(({ ofKeys }) => ofKeys)))),
      this.#layout.byHead(this.#layout.summed(gradients.map(({ ofValues }) => ofValues))),
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
    const result = this.#layout.grouped(gradient, block);
    const ofProbabilities = context.mulMat(this.#layout.rowsOf(transposed.values, block.end), result);
    const ofScores = context.softMaxBack(ofProbabilities, probabilities, { scale: this.#scale });
    const ofQueries = context.mulMat(this.#layout.columnsOf(transposed.keys, block.end), ofScores);
    return {
      ofQueries: this.#layout.byHead(
        this.#layout.ungrouped(ofQueries, block, { width: this.#options.model.headWidth }),
      ),
      ofKeys: context.outProd(queries, ofScores),
      ofValues: context.outProd(result, probabilities),
    };
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

  #probabilities(scores: Tensor, block: AttentionBlock): Tensor {
    const { model: { keyValueHeads }, inputs: { samples } } = this.#options;
    const { first, end, mask } = block;
    const byHead = this.#layout.ungrouped(scores, block, { width: end });
    const probabilities = this.#context.softMax(byHead, mask, { scale: this.#scale });
    return this.#context.reshape(probabilities, [
      end,
      (end - first) * this.#layout.group,
      keyValueHeads,
      samples,
    ]);
  }
}
