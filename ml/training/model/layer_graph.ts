/** Builds one layer in the graph, attention and feed-forward with their adapters, forward and backward. */
import type { Tensor } from "../ggml/ffi.ts";
import type { TensorContext } from "../ggml/tensor_context.ts";
import { Attention, type AttentionTrace } from "./attention.ts";
import type { BatchInputs, BatchShape } from "./batch_inputs.ts";
import { type GatedActivation, GeGlu, SwiGlu } from "./gated_activation.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import type { LoraLayer, TargetGroup } from "./lora_layout.ts";
import { LoraProducts, type LoraTensors, type LoraTrace } from "./lora_products.ts";
import type { FrozenMatrix } from "./matrix_conversion.ts";
import type { LayerWeights } from "./weights.ts";

/** What all layers of a graph share. */
export interface GraphDependencies {
  context: TensorContext;
  model: Hyperparameters;
  ropeFactors: Tensor | null;
  inputs: BatchInputs;
  shape: BatchShape;
  /** Null for the base model alone. */
  lora: LoraTensors | null;
  /** Stores a result for the backward pass, which reads it by calling the returned function. */
  store: (result: Tensor) => () => Tensor;
  /** Dropout's factors for an input of a width; null without dropout. */
  dropoutMask: ((width: number, columns: number) => Tensor) | null;
}

export interface LayerOptions {
  weights: LayerWeights;
  lora: LoraLayer | null;
  /** From its attention on, the last layer computes only the rows that predict. */
  isLast: boolean;
  /** It sees only the tokens of the window. */
  isWindowed: boolean;
}

type Traces = Record<TargetGroup, LoraTrace | null>;

/** What a layer's backward pass needs from its forward pass. */
interface LayerTrace {
  input: Tensor;
  attention: AttentionTrace;
  /** Attention's result before it is added to the input. */
  projected: Tensor;
  /** Between attention and feed-forward. */
  middle: Tensor;
  /** The feed-forward layer's result before it is added to `middle`. */
  down: Tensor;
  gate: () => Tensor;
  up: () => Tensor;
  lora: Traces;
}

/** One layer. `forward` comes first, `backward` may follow. */
export class LayerGraph {
  readonly #dependencies: GraphDependencies;
  readonly #options: LayerOptions;
  readonly #attention: Attention;
  readonly #activation: GatedActivation;
  readonly #products: Record<TargetGroup, LoraProducts | null>;
  #trace: LayerTrace | null = null;

  constructor(dependencies: GraphDependencies, options: LayerOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.#attention = new Attention(dependencies.context, {
      model: dependencies.model,
      ropeFactors: dependencies.ropeFactors,
      inputs: dependencies.inputs.attention,
      norms: options.weights.norms,
      isWindowed: options.isWindowed,
    });
    this.#activation = dependencies.model.features.activation === "gelu"
      ? new GeGlu(dependencies.context)
      : new SwiGlu(dependencies.context);
    const products = (group: TargetGroup) => {
      const members = options.lora?.[group];
      return members && dependencies.lora
        ? new LoraProducts(dependencies.context, dependencies.lora, { group: members })
        : null;
    };
    this.#products = {
      qkv: products("qkv"),
      attentionOutput: products("attentionOutput"),
      gateUp: products("gateUp"),
      down: products("down"),
    };
  }

  /** @param input [width, rows] @returns [width, rows], of the last layer [width, predictedRows] */
  forward(input: Tensor): Tensor {
    const { context, inputs, shape } = this.#dependencies;
    const { weights, isLast } = this.#options;
    const lora: Traces = { qkv: null, attentionOutput: null, gateUp: null, down: null };
    const qkv = this.#qkv(() => this.#norm(input, weights.norms.attentionNorm), lora);
    const rows = isLast ? inputs.predictedFromPadded : inputs.attention.toPacked;
    const { result, trace: attention } = this.#attention.forward(qkv, { rows });
    const columns = isLast ? shape.predictedRows : shape.rows;
    const projected = this.#project(result, {
      matrix: weights.attentionOutput,
      group: "attentionOutput",
      columns,
      lora,
      again: () => result,
    });
    const residual = isLast ? context.getRows(input, inputs.predicted) : input;
    const middle = context.add(this.#resultNorm(projected, weights.norms.attentionResultNorm), residual);
    const { output, ...stored } = this.#feedForward(middle, { columns, lora });
    this.#trace = { input, attention, projected, middle, lora, ...stored };
    return output;
  }

  /**
   * @param gradient of the forward result
   * @param options `collect` receives every result that must be computed; `wantsInput` asks for the input's
   * gradient
   */
  backward(
    gradient: Tensor,
    options: { collect: (result: Tensor) => void; wantsInput: boolean },
  ): Tensor | null {
    const { context, inputs } = this.#dependencies;
    const { weights, isLast } = this.#options;
    const { collect, wantsInput } = options;
    const trace = this.#trace;
    if (trace === null) throw new Error("A layer's backward pass needs its forward pass first");
    const ofMiddle = this.#feedForwardBack(gradient, trace, collect);
    const ofProjected = this.#resultNormBack(ofMiddle, weights.norms.attentionResultNorm, {
      input: trace.projected,
    });
    const ofAttention = this.#back([ofProjected], {
      through: context.mulMat(transposedOf(weights.attentionOutput), ofProjected),
      group: "attentionOutput",
      trace,
      collect,
    });
    const rows = isLast ? inputs.paddedToPredicted : inputs.attention.ownToPadded;
    const ofQkv = this.#attention.backward(ofAttention, trace.attention, { rows });
    const ofNormed = this.#qkvBack(ofQkv, trace, options);
    if (!wantsInput || ofNormed === null) return null;
    const residual = isLast ? context.getRows(ofMiddle, inputs.toPredicted) : ofMiddle;
    const ofInput = this.#normBack(ofNormed, weights.norms.attentionNorm, { input: trace.input });
    return context.add(ofInput, residual);
  }

  #norm(x: Tensor, weight: Tensor | null): Tensor {
    const { context, model } = this.#dependencies;
    if (weight === null) throw new Error("A layer lacks the norm of an input");
    return context.mul(context.rmsNorm(x, model.normEpsilon), weight);
  }

  #normBack(gradient: Tensor, weight: Tensor | null, options: { input: Tensor }): Tensor {
    const { context, model } = this.#dependencies;
    if (weight === null) throw new Error("A layer lacks the norm of an input");
    return context.rmsNormBack(context.mul(gradient, weight), options.input, { epsilon: model.normEpsilon });
  }

  /** A result before it is added to the residual: some architectures norm it. */
  #resultNorm(result: Tensor, weight: Tensor | null): Tensor {
    return weight === null ? result : this.#norm(result, weight);
  }

  #resultNormBack(gradient: Tensor, weight: Tensor | null, options: { input: Tensor }): Tensor {
    return weight === null ? gradient : this.#normBack(gradient, weight, options);
  }

  #qkv(norm: () => Tensor, lora: Traces): Tensor {
    const { context, model: { heads, keyValueHeads, headWidth }, shape } = this.#dependencies;
    const { weights } = this.#options;
    const products = this.#products.qkv;
    const normed = norm();
    const product = context.mulMat(weights.qkv.forward, normed);
    const qkv = weights.qkvBias === null ? product : context.add(product, weights.qkvBias);
    if (products === null) return qkv;
    const trace = this.#startLora("qkv", normed, { columns: shape.rows, again: norm });
    lora.qkv = trace;
    const rows = (heads + 2 * keyValueHeads) * headWidth;
    return products.modules.reduce(
      (joined, module) =>
        context.addRowsInPlace(joined, products.addition(module, trace), {
          rows,
          firstRow: module.outputRow,
          count: shape.rows,
        }),
      qkv,
    );
  }

  /** Splits the joined gradient among the modules of query, key and value. */
  #qkvBack(
    gradient: Tensor,
    trace: LayerTrace,
    options: { collect: (result: Tensor) => void; wantsInput: boolean },
  ): Tensor | null {
    const { context, model: { heads, keyValueHeads, headWidth }, shape } = this.#dependencies;
    const rowBytes = (heads + 2 * keyValueHeads) * headWidth * 4;
    const parts = (this.#products.qkv?.modules ?? []).map((module) =>
      context.view(gradient, {
        shape: [module.outputWidth, shape.rows],
        strides: [rowBytes],
        offset: module.outputRow * 4,
      })
    );
    const through = options.wantsInput
      ? context.mulMat(transposedOf(this.#options.weights.qkv), gradient)
      : null;
    return this.#back(parts, { through, group: "qkv", trace, collect: options.collect });
  }

  #startLora(group: TargetGroup, x: Tensor, options: { columns: number; again: () => Tensor }): LoraTrace {
    const products = this.#products[group];
    if (products === null) throw new Error(`The layer has no adapter at ${group}`);
    const width = products.modules[0]?.inputWidth ?? 0;
    const mask = this.#dependencies.dropoutMask?.(width, options.columns) ?? null;
    return products.trace(x, { ...options, mask });
  }

  /** Multiplies by a matrix that is alone in its group, and adds its adapter's product. */
  #project(
    x: Tensor,
    options: { matrix: FrozenMatrix; group: TargetGroup; columns: number; lora: Traces; again: () => Tensor },
  ): Tensor {
    const { context } = this.#dependencies;
    const { matrix, group, columns, lora, again } = options;
    const product = context.mulMat(matrix.forward, x);
    const products = this.#products[group];
    const [module] = products?.modules ?? [];
    if (products === null || module === undefined) return product;
    const trace = this.#startLora(group, x, { columns, again });
    lora[group] = trace;
    return context.add(product, products.addition(module, trace));
  }

  #feedForward(
    middle: Tensor,
    options: { columns: number; lora: Traces },
  ): Pick<LayerTrace, "gate" | "up" | "down"> & { output: Tensor } {
    const { context } = this.#dependencies;
    const { weights } = this.#options;
    const norm = () => this.#norm(middle, weights.norms.feedForwardNorm);
    const normed = norm();
    let [gate, up] = [
      context.mulMat(weights.gate.forward, normed),
      context.mulMat(weights.up.forward, normed),
    ];
    const products = this.#products.gateUp;
    if (products !== null) {
      const trace = this.#startLora("gateUp", normed, { columns: options.columns, again: norm });
      options.lora.gateUp = trace;
      for (const module of products.modules) {
        const addition = products.addition(module, trace);
        if (module.target === "ffn_gate") gate = context.add(gate, addition);
        else up = context.add(up, addition);
      }
    }
    const stored = { gate: this.#dependencies.store(gate), up: this.#dependencies.store(up) };
    const down = this.#project(this.#activation.forward(gate, up), {
      matrix: weights.down,
      group: "down",
      again: () => this.#activation.forward(stored.gate(), stored.up()),
      ...options,
    });
    const result = this.#resultNorm(down, weights.norms.feedForwardResultNorm);
    return { output: context.add(result, middle), down, ...stored };
  }

  #feedForwardBack(gradient: Tensor, trace: LayerTrace, collect: (result: Tensor) => void): Tensor {
    const { context } = this.#dependencies;
    const { weights } = this.#options;
    const ofDown = this.#resultNormBack(gradient, weights.norms.feedForwardResultNorm, { input: trace.down });
    const ofProduct = this.#back([ofDown], {
      through: context.mulMat(transposedOf(weights.down), ofDown),
      group: "down",
      trace,
      collect,
    });
    const { ofGate, ofUp } = this.#activation.backward(ofProduct, { gate: trace.gate(), up: trace.up() });
    const ofNormed = this.#back(
      (this.#products.gateUp?.modules ?? []).map(({ target }) => target === "ffn_gate" ? ofGate : ofUp),
      {
        through: context.add(
          context.mulMat(transposedOf(weights.gate), ofGate),
          context.mulMat(transposedOf(weights.up), ofUp),
        ),
        group: "gateUp",
        trace,
        collect,
      },
    );
    const ofMiddle = this.#normBack(ofNormed, weights.norms.feedForwardNorm, { input: trace.middle });
    return context.add(ofMiddle, gradient);
  }

  /** Adds what a group's adapter contributes to an input gradient, and collects the adapter's own gradients. */
  #back<Through extends Tensor | null>(
    gradients: readonly Tensor[],
    options: { through: Through; group: TargetGroup; trace: LayerTrace; collect: (result: Tensor) => void },
  ): Through {
    const { through, group, trace, collect } = options;
    const [products, loraTrace] = [this.#products[group], trace.lora[group]];
    if (products === null || loraTrace === null) return through;
    const { sums, input } = products.back(gradients, loraTrace, { wantsInput: through !== null });
    sums.forEach(collect);
    return (through !== null && input !== null
      ? this.#dependencies.context.add(through, input)
      : through) as Through;
  }
}

function transposedOf(matrix: FrozenMatrix): Tensor {
  if (matrix.backward === null) throw new Error("A frozen matrix has no transposed copy");
  return matrix.backward;
}
