/** Builds attention in the graph, forward and backward; each sample attends only to itself. */
import type { Tensor } from "../ggml/ffi.ts";
import type { Rope, TensorContext } from "../ggml/tensor_context.ts";
import { type AttentionBlock, type AttentionInputs, LONGEST_STORED } from "./batch_inputs.ts";
import { HeadLayout } from "./head_layout.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { LayerWeights } from "./weights.ts";

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
  /** Those of queries and keys are used, where the architecture has them. */
  norms: LayerWeights["norms"];
  /** Whether the layer sees only the tokens of the window. */
  isWindowed: boolean;
}

/** Attention of one layer over a batch. */
export class Attention {
  readonly #context: TensorContext;
  readonly #options: AttentionOptions;
  readonly #layout: HeadLayout;

  constructor(context: TensorContext, options: AttentionOptions) {
    this.#context = context;
    this.#options = options;
    this.#layout = new HeadLayout(context, options);
  }

  /**
   * @param qkv packed rows of query, key and value, [width of all three, rows]
   * @param options `rows` selects the packed rows to return
   * @returns rows of all heads' results, before the output matrix
   */
  forward(qkv: Tensor, options: { rows: Tensor }): { result: Tensor; trace: AttentionTrace } {
    const context = this.#context;
    const { model: { heads, keyValueHeads, headWidth }, norms } = this.#options;
    const { paddedLength, samples } = this.#options.inputs;
    const padded = context.getRows(qkv, this.#options.inputs.toPadded);
    const parts = this.#queriesAndKeys(padded);
    const queries = this.#rotated(this.#normed(parts.queries, norms.queryNorm));
    const keys = this.#rotated(this.#normed(parts.keys, norms.keyNorm));
    const values = context.contiguous(context.permute(
      this.#layout.headsOf(padded, { first: heads + keyValueHeads, count: keyValueHeads }),
      [1, 2, 0, 3],
    ));
    const results = this.#options.inputs.blocks.map((block) =>
      this.#forwardBlock(block, { queries, keys, values })
    );
    const byPosition = this.#layout.joined(results.map(({ result }) => result));
    const rows = context.reshape(byPosition, [heads * headWidth, paddedLength * samples]);
    const blocks = results.map(({ trace }) => trace);
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
    const { norms } = this.#options;
    // The inputs of norms are read again; without norms nothing reads them.
    const parts = this.#queriesAndKeys(context.getRows(trace.qkv, toPadded));
    const ofQueries = this.#rotatedBack(this.#layout.joined(gradients.map(({ ofQueries }) => ofQueries)));
    const ofKeys = this.#rotatedBack(
      this.#layout.byHead(this.#layout.summed(gradients.map(({ ofKeys }) => ofKeys))),
    );
    const joined = [
      this.#normedBack(ofQueries, norms.queryNorm, { input: parts.queries }),
      this.#normedBack(ofKeys, norms.keyNorm, { input: parts.keys }),
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
    const ofScores = context.softMaxBack(ofProbabilities, probabilities, {
      scale: this.#options.model.attentionScale,
    });
    const ofQueries = context.mulMat(this.#layout.columnsOf(transposed.keys, block.end), ofScores);
    return {
      ofQueries: this.#layout.byHead(
        this.#layout.ungrouped(ofQueries, block, { width: this.#options.model.headWidth }),
      ),
      ofKeys: context.outProd(queries, ofScores),
      ofValues: context.outProd(result, probabilities),
    };
  }

  /** Views of padded rows: [head, heads, length, samples] and [head, key heads, length, samples]. */
  #queriesAndKeys(padded: Tensor): { queries: Tensor; keys: Tensor } {
    const { heads, keyValueHeads } = this.#options.model;
    return {
      queries: this.#layout.headsOf(padded, { first: 0, count: heads }),
      keys: this.#layout.headsOf(padded, { first: heads, count: keyValueHeads }),
    };
  }

  #normed(heads: Tensor, weight: Tensor | null): Tensor {
    if (weight === null) return heads;
    return this.#context.mul(this.#context.rmsNorm(heads, this.#options.model.normEpsilon), weight);
  }

  /** The adjoint of `normed`. */
  #normedBack(gradient: Tensor, weight: Tensor | null, { input }: { input: Tensor }): Tensor {
    if (weight === null) return gradient;
    const epsilon = this.#options.model.normEpsilon;
    return this.#context.rmsNormBack(this.#context.mul(gradient, weight), input, { epsilon });
  }

  get #ropeOptions(): { rope: Rope; factors: Tensor | null } {
    const { model: { rope, windowed }, isWindowed, ropeFactors: factors } = this.#options;
    return { rope: isWindowed && windowed !== null ? windowed.rope : rope, factors };
  }

  #rotated(heads: Tensor): Tensor {
    return this.#context.rope(heads, this.#options.inputs.positions, this.#ropeOptions);
  }

  /** The adjoint of `rotated`. */
  #rotatedBack(heads: Tensor): Tensor {
    return this.#context.ropeBack(heads, this.#options.inputs.positions, this.#ropeOptions);
  }

  #probabilities(scores: Tensor, block: AttentionBlock): Tensor {
    const { model: { keyValueHeads }, inputs: { samples }, isWindowed } = this.#options;
    const { first, end, mask, windowMask } = block;
    const byHead = this.#layout.ungrouped(scores, block, { width: end });
    const probabilities = this.#context.softMax(byHead, isWindowed ? windowMask : mask, {
      scale: this.#options.model.attentionScale,
    });
    return this.#context.reshape(probabilities, [
      end,
      (end - first) * this.#layout.group,
      keyValueHeads,
      samples,
    ]);
  }
}
