/** Builds a micro-batch's graph: from token ids to the probability of each next token, and back to gradients. */
import { type CpuBackend, floatsOf, type GraphMemory, memoryOf } from "../ggml/backend.ts";
import { GGML_TYPE } from "../ggml/constants.ts";
import type { GraphHandle, Tensor } from "../ggml/ffi.ts";
import { type OperationTime, profileGraph } from "../ggml/graph_profile.ts";
import { F32, TensorContext } from "../ggml/tensor_context.ts";
import { type BatchInputs, batchInputs, type BatchShape } from "./batch_inputs.ts";
import { type Hyperparameters, isWindowed } from "./hyperparameters.ts";
import { type GraphDependencies, LayerGraph } from "./layer_graph.ts";
import type { LoraLayout } from "./lora_layout.ts";
import type { LoraTensors } from "./lora_products.ts";
import type { MicroBatch } from "./micro_batch.ts";
import type { ModelWeights } from "./weights.ts";

/** An upper bound of the nodes of a layer with every target, forward and backward, views included. */
const NODES_PER_LAYER = 400;
const OTHER_NODES = 128;

/** Distance in floats between two masks within the random factors: it shares no divisor with common widths. */
const MASK_STRIDE = 257;

export interface ModelGraphOptions {
  model: Hyperparameters;
  weights: ModelWeights;
  layout: LoraLayout;
  /** Null evaluates the base model. */
  lora: LoraTensors | null;
  shape: BatchShape;
  /** Adds the backward pass, which accumulates into `lora.gradients`, and dropout. */
  train: boolean;
  /** Stores results for the backward pass unrounded; otherwise the widest are rounded to 16 bits. */
  exact: boolean;
  /** Makes the logits readable after the computation; otherwise their memory is reused. */
  keepLogits?: boolean;
}

/** Random factors; every adapter's dropout mask is a slice of them. */
interface Dropout {
  factors: Tensor;
  length: number;
}

/** The graph of one micro-batch shape. */
export class ModelGraph implements Disposable {
  readonly #backend: CpuBackend;
  readonly #options: ModelGraphOptions;
  readonly #context: TensorContext;
  readonly #graph: GraphHandle;
  readonly #inputs: BatchInputs;
  readonly #logits: Tensor;
  /** [1, predictedRows]: the probability of each label. */
  readonly #labelProbabilities: Tensor;
  #dropout: Dropout | null = null;

  constructor(backend: CpuBackend, options: ModelGraphOptions) {
    const nodes = options.model.layers * NODES_PER_LAYER + OTHER_NODES;
    this.#backend = backend;
    this.#options = options;
    this.#context = new TensorContext(backend.ggml, { tensors: nodes, graphNodes: nodes });
    this.#graph = this.#context.graph(nodes);
    this.#inputs = batchInputs(this.#context, options.shape, {
      window: options.model.windowed?.window ?? null,
    });
    const layers = this.#layers();
    const hidden = layers.reduce(
      (x, layer) => layer.forward(x),
      this.#embedded(),
    );
    this.#logits = this.#output(hidden);
    const probabilities = this.#probabilities();
    this.#labelProbabilities = this.#labelsOf(probabilities);
    if (options.train) this.#backward(hidden, { probabilities, layers });
  }

  /** Bytes that the graph's results need, without allocating them. */
  measure(memory: GraphMemory): number {
    return memory.measure(this.#graph);
  }

  /** @throws TrainingError `out_of_memory` */
  place(memory: GraphMemory): void {
    memory.place(this.#graph);
  }

  /**
   * Writes a batch of the graph's shape into it.
   *
   * @param options `shares` weighs each prediction in the gradient; `random` gives dropout's numbers in [0, 1)
   */
  load(batch: MicroBatch, options: { shares: Float32Array<ArrayBuffer>; random: () => number }): void {
    const { shape: { paddedLength, predictedRows }, model } = this.#options;
    const { attention, ...inputs } = this.#inputs;
    const labels = batch.labels.map((label, row) => row * model.vocabularySize + label);
    this.#write(inputs.tokens, batch.tokens);
    this.#write(inputs.predictedFromPadded, batch.predictedFromPadded);
    this.#write(inputs.predicted, batch.predicted);
    this.#write(inputs.labels, labels.subarray(0, predictedRows));
    this.#write(attention.toPadded, batch.toPadded);
    this.#write(attention.ownToPadded, batch.ownToPadded);
    this.#write(attention.toPacked, batch.toPacked);
    this.#write(attention.positions, Int32Array.from({ length: paddedLength }, (_, position) => position));
    for (const block of attention.blocks) {
      this.#write(block.mask, causalMask(block));
      const { windowed } = model;
      if (windowed !== null && block.windowMask !== block.mask) {
        this.#write(block.windowMask, causalMask(block, windowed.window));
      }
    }
    if (!this.#options.train) return;
    this.#write(inputs.toPredicted, batch.toPredicted);
    this.#write(inputs.paddedToPredicted, batch.paddedToPredicted);
    this.#write(inputs.shares, options.shares);
    if (this.#dropout !== null) this.#fillDropout(this.#dropout, options.random);
  }

  async compute(): Promise<void> {
    await this.#backend.compute(this.#graph);
  }

  /** Computes as `compute` does, one operation at a time, and times each. */
  async profile(): Promise<OperationTime[]> {
    return await profileGraph(this.#backend, this.#graph);
  }

  /** The probability of each prediction's label, filler rows included. */
  labelProbabilities(): Float32Array<ArrayBuffer> {
    return floatsOf(this.#backend.ggml, this.#labelProbabilities).slice();
  }

  /** [vocabulary, predictedRows] of a graph with `keepLogits`. */
  logits(): Float32Array<ArrayBuffer> {
    return floatsOf(this.#backend.ggml, this.#logits).slice();
  }

  #write(tensor: Tensor, numbers: Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>): void {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    // Inputs that nothing in this graph reads have no memory.
    if (this.#backend.ggml.ggml_get_data(tensor) !== null) memoryOf(this.#backend.ggml, tensor).set(bytes);
  }

  #embedded(): Tensor {
    const { model: { features, width }, weights } = this.#options;
    const rows = this.#context.getRows(weights.embedding, this.#inputs.tokens);
    return features.scalesEmbedding ? this.#context.scale(rows, Math.sqrt(width)) : rows;
  }

  #layers(): LayerGraph[] {
    const { model, weights, layout, lora, shape, train } = this.#options;
    const dependencies: GraphDependencies = {
      context: this.#context,
      model,
      ropeFactors: weights.ropeFactors,
      inputs: this.#inputs,
      shape,
      lora,
      store: (result) => this.#store(result),
      dropoutMask: train && layout.dropout > 0 ? this.#dropoutMasks() : null,
    };
    return weights.layers.map((layerWeights, index) =>
      new LayerGraph(dependencies, {
        weights: layerWeights,
        lora: layout.layers[index] ?? null,
        isLast: index === model.layers - 1,
        isWindowed: isWindowed(model, index),
      })
    );
  }

  #store(result: Tensor): () => Tensor {
    if (this.#options.exact || !this.#options.train) return () => result;
    const stored = this.#context.cast(result, GGML_TYPE.bf16);
    // Expanded now: otherwise the allocator would hold the full result until the backward pass casts it.
    this.#context.expand(this.#graph, stored);
    return () => this.#context.cast(stored, F32);
  }

  /** Takes masks as slices of one run of random factors at different offsets: as good, and far cheaper. */
  #dropoutMasks(): (width: number, columns: number) => Tensor {
    const { model, layout, shape } = this.#options;
    const width = Math.max(...layout.modules.map(({ inputWidth }) => inputWidth), model.width);
    const length = width * shape.rows + layout.modules.length * MASK_STRIDE;
    const factors = this.#context.input(F32, [length]);
    this.#dropout = { factors, length };
    let masks = 0;
    return (width, columns) =>
      this.#context.view(factors, { shape: [width, columns], offset: masks++ * MASK_STRIDE * 4 });
  }

  #fillDropout({ factors, length }: Dropout, random: () => number): void {
    const { dropout } = this.#options.layout;
    const scale = 1 / (1 - dropout);
    this.#write(factors, Float32Array.from({ length }, () => random() < dropout ? 0 : scale));
  }

  #output(hidden: Tensor): Tensor {
    const { model, weights, keepLogits = false } = this.#options;
    const normed = this.#context.mul(this.#context.rmsNorm(hidden, model.normEpsilon), weights.outputNorm);
    const logits = this.#context.mulMat(weights.output.forward, normed);
    return keepLogits ? this.#context.output(logits) : logits;
  }

  #probabilities(): Tensor {
    const probabilities = this.#context.softMax(this.#logits, null, { scale: 1 });
    this.#context.expand(this.#graph, probabilities);
    return probabilities;
  }

  #flat(probabilities: Tensor): Tensor {
    const { model: { vocabularySize }, shape: { predictedRows } } = this.#options;
    return this.#context.reshape(probabilities, [1, vocabularySize * predictedRows]);
  }

  #labelsOf(probabilities: Tensor): Tensor {
    const labels = this.#context.getRows(this.#flat(probabilities), this.#inputs.labels);
    const result = this.#context.output(labels);
    this.#context.expand(this.#graph, result);
    return result;
  }

  /** The loss's gradient in the logits is `share * (probability - 1 at the label)`. */
  #backward(hidden: Tensor, parts: { probabilities: Tensor; layers: LayerGraph[] }): void {
    const { model, weights, layout, shape } = this.#options;
    const [context, graph, inputs] = [this.#context, this.#graph, this.#inputs];
    const lessOne = context.scaleBias(this.#labelProbabilities, { factor: 1, bias: -1 });
    const changed = context.setRows(this.#flat(parts.probabilities), lessOne, { indices: inputs.labels });
    const ofLogits = context.reshape(changed, [model.vocabularySize, shape.predictedRows]);
    if (weights.output.backward === null) throw new Error("The output matrix has no transposed copy");
    const ofNormed = context.mul(context.mulMat(weights.output.backward, ofLogits), inputs.shares);
    let gradient: Tensor | null = context.rmsNormBack(context.mul(ofNormed, weights.outputNorm), hidden, {
      epsilon: model.normEpsilon,
    });
    const collect = (result: Tensor) => context.expand(graph, result);
    for (let index = model.layers - 1; index >= layout.firstLayer && gradient !== null; index--) {
      const wantsInput = index > layout.firstLayer;
      gradient = parts.layers[index]?.backward(gradient, { collect, wantsInput }) ?? null;
    }
  }

  [Symbol.dispose](): void {
    this.#context[Symbol.dispose]();
  }
}

/** 0 up to the diagonal, -Infinity beyond: a position sees itself and what came before, as far as a window reaches. */
function causalMask(
  { first, end }: { first: number; end: number },
  window = Infinity,
): Float32Array<ArrayBuffer> {
  const mask = new Float32Array(end * (end - first));
  for (let row = 0; row < end - first; row++) {
    const [position, start] = [first + row, row * end];
    mask.fill(-Infinity, start + position + 1, start + end);
    mask.fill(-Infinity, start, start + Math.max(0, position - window + 1));
  }
  return mask;
}
