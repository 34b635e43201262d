/** Computes independent gradients: a plain graph for one sample, differentiated by ggml's own autodiff. */
import { CpuBackend, floatsOf, memoryOf } from "../../../ml/training/ggml/backend.ts";
import { GgufFile } from "../../../ml/training/ggml/gguf_file.ts";
import type { GraphHandle, Tensor } from "../../../ml/training/ggml/ffi.ts";
import { F32, I32, TensorContext } from "../../../ml/training/ggml/tensor_context.ts";
import type { LoraTarget, TokenSample } from "../../../ml/training/trainer.ts";
import {
  type Hyperparameters,
  isWindowed,
  readHyperparameters,
} from "../../../ml/training/model/hyperparameters.ts";
import type { LoraLayout, LoraModule } from "../../../ml/training/model/lora_layout.ts";

/** A and B of one module, as llama.cpp has them: [inputWidth, rank] and [rank, outputWidth]. */
interface ModuleTensors {
  module: LoraModule;
  a: Tensor;
  b: Tensor;
}

const MOST_TENSORS = 4_096;

/** The plain graph of one sample. */
class PlainGraph implements Disposable {
  readonly #backend = new CpuBackend(1);
  readonly #context: TensorContext;
  readonly #file: GgufFile;
  readonly #model: Hyperparameters;
  readonly #layout: LoraLayout;
  readonly #fillings: (() => void)[] = [];
  readonly #modules: ModuleTensors[];
  readonly #graph: GraphHandle;
  readonly #loss: Tensor;
  readonly #gradients: { a: Tensor; b: Tensor }[];

  constructor(path: string, layout: LoraLayout, options: { sample: TokenSample; parameters: Float32Array }) {
    const { ggml } = this.#backend;
    this.#context = new TensorContext(ggml, {
      tensors: MOST_TENSORS,
      graphNodes: MOST_TENSORS,
      gradients: true,
    });
    this.#file = new GgufFile(ggml, path);
    this.#model = readHyperparameters(this.#file);
    this.#layout = layout;
    this.#modules = layout.modules.map((module) => this.#moduleTensors(module, options.parameters));
    this.#graph = this.#context.graph(MOST_TENSORS, { gradients: true });
    this.#loss = this.#lossOf(options.sample);
    ggml.ggml_set_loss(this.#loss);
    this.#context.expand(this.#graph, this.#loss);
    ggml.ggml_build_backward_expand(this.#context.handle, this.#graph, null);
    this.#gradients = this.#modules.map(({ a, b }) => ({ a: this.#gradientOf(a), b: this.#gradientOf(b) }));
    this.#backend.allocate(this.#context.handle);
    for (const fill of this.#fillings) fill();
    ggml.ggml_graph_reset(this.#graph);
  }

  /** The mean loss of the reply's tokens and its gradient, laid out as the adapter is. */
  async compute(): Promise<{ loss: number; gradient: Float64Array }> {
    const { ggml } = this.#backend;
    await this.#backend.compute(this.#graph);
    const gradient = new Float64Array(this.#layout.length);
    this.#modules.forEach(({ module }, index) => {
      const tensors = this.#gradients[index];
      if (tensors === undefined) return;
      gradient.set(floatsOf(ggml, tensors.a), module.offsetA);
      const ofB = floatsOf(ggml, tensors.b);
      ofB.forEach((value, at) => {
        const [row, column] = [at % this.#layout.rank, Math.floor(at / this.#layout.rank)];
        gradient[module.offsetB + row * module.outputWidth + column] = value;
      });
    });
    return { loss: floatsOf(ggml, this.#loss)[0] ?? NaN, gradient };
  }

  #gradientOf(tensor: Tensor): Tensor {
    const gradient = this.#backend.ggml.ggml_graph_get_grad(this.#graph, tensor);
    if (gradient === null) throw new Error("ggml's autodiff gave no gradient");
    return gradient;
  }

  #moduleTensors(module: LoraModule, parameters: Float32Array): ModuleTensors {
    const { rank } = this.#layout;
    const a = this.#context.tensor(F32, [module.inputWidth, rank]);
    const b = this.#context.tensor(F32, [rank, module.outputWidth]);
    const { ggml } = this.#backend;
    for (const tensor of [a, b]) ggml.ggml_set_param(tensor);
    this.#fillings.push(() => {
      floatsOf(ggml, a).set(parameters.slice(module.offsetA, module.offsetA + module.inputWidth * rank));
      const numbers = floatsOf(ggml, b);
      for (let output = 0; output < module.outputWidth; output++) {
        for (let row = 0; row < rank; row++) {
          numbers[output * rank + row] = parameters[module.offsetB + row * module.outputWidth + output] ?? 0;
        }
      }
    });
    return { module, a, b };
  }

  #weight(name: string): Tensor {
    const weight = this.#optional(`${name}.weight`);
    if (weight === null) throw new Error(`${name} is not there`);
    return weight;
  }

  #optional(name: string): Tensor | null {
    const info = this.#file.tensors.get(name);
    if (info === undefined) return null;
    if (info.type !== "f32") throw new Error(`${name} is not there in 32-bit floats`);
    const tensor = this.#context.tensor(F32, info.shape);
    this.#fillings.push(() => this.#file.readTensor(info, memoryOf(this.#backend.ggml, tensor)));
    return tensor;
  }

  #input(numbers: number[]): Tensor {
    const tensor = this.#context.tensor(I32, [numbers.length]);
    this.#fillings.push(() =>
      memoryOf(this.#backend.ggml, tensor).set(new Uint8Array(Int32Array.from(numbers).buffer))
    );
    return tensor;
  }

  #floats(shape: readonly [number, number], valueAt: (column: number, row: number) => number): Tensor {
    const tensor = this.#context.tensor(F32, shape);
    this.#fillings.push(() =>
      floatsOf(this.#backend.ggml, tensor).set(
        Array.from({ length: shape[0] * shape[1] }, (_, at) =>
          valueAt(at % shape[0], Math.floor(at / shape[0]))),
      )
    );
    return tensor;
  }

  /** A matrix's product with its adapter's: `W·x + scale · B·(A·x)`. */
  #adapted(layer: number, target: LoraTarget, x: Tensor): Tensor {
    const context = this.#context;
    const product = context.mulMat(this.#weight(`blk.${layer}.${target}`), x);
    const tensors = this.#modules.find(({ module }) => module.layer === layer && module.target === target);
    if (tensors === undefined) return product;
    const addition = context.mulMat(tensors.b, context.mulMat(tensors.a, x));
    return context.add(product, context.scale(addition, this.#layout.alpha / this.#layout.rank));
  }

  #norm(x: Tensor, name: string): Tensor {
    return this.#context.mul(this.#context.rmsNorm(x, this.#model.normEpsilon), this.#weight(name));
  }

  /** The same where the file has that norm. */
  #normIfThere(x: Tensor, name: string): Tensor {
    return this.#file.tensors.has(`${name}.weight`) ? this.#norm(x, name) : x;
  }

  /** GELU's approximation by tanh, `x·σ(z)` with `z = √(8/π)·(x + 0.044715·x³)`. */
  #gelu(x: Tensor): Tensor {
    const context = this.#context;
    const cube = context.scale(context.mul(context.mul(x, x), x), 0.044715);
    const z = context.scale(context.add(x, cube), Math.sqrt(8 / Math.PI));
    return context.div(context.mul(x, context.silu(z)), z);
  }

  #lossOf({ prompt, reply }: TokenSample): Tensor {
    const context = this.#context;
    const { layers, vocabularySize, width, features, windowed } = this.#model;
    const tokens = [...prompt, ...reply].slice(0, -1);
    const embedding = this.#weight("token_embd");
    const rowsOfTokens = context.getRows(embedding, this.#input(tokens));
    let x = features.scalesEmbedding ? context.scale(rowsOfTokens, Math.sqrt(width)) : rowsOfTokens;
    const positions = this.#input(tokens.map((_, position) => position));
    const size = [tokens.length, tokens.length] as const;
    const full = this.#floats(size, (key, query) => key <= query ? 0 : -Infinity);
    const near = this.#floats(
      size,
      (key, query) => key <= query && query - key < (windowed?.window ?? Infinity) ? 0 : -Infinity,
    );
    for (let layer = 0; layer < layers; layer++) {
      const mask = isWindowed(this.#model, layer) ? near : full;
      x = context.add(x, this.#attention(layer, x, { positions, mask, length: tokens.length }));
      x = context.add(x, this.#feedForward(layer, x));
    }
    const rows = this.#input(reply.map((_, index) => prompt.length - 1 + index));
    const logits = context.mulMat(
      this.#optional("output.weight") ?? embedding,
      context.getRows(this.#norm(x, "output_norm"), rows),
    );
    const labels = this.#floats([vocabularySize, reply.length], (token, row) => reply[row] === token ? 1 : 0);
    const loss = this.#backend.ggml.ggml_cross_entropy_loss(context.handle, logits, labels);
    if (loss === null) throw new Error("ggml gave no loss");
    return loss;
  }

  #attention(layer: number, x: Tensor, options: { positions: Tensor; mask: Tensor; length: number }): Tensor {
    const context = this.#context;
    const { heads, keyValueHeads, headWidth, windowed } = this.#model;
    const { positions, mask, length } = options;
    const normed = this.#norm(x, `blk.${layer}.attn_norm`);
    const inHeads = (target: LoraTarget, count: number) => {
      const product = this.#adapted(layer, target, normed);
      const bias = this.#optional(`blk.${layer}.${target}.bias`);
      return context.reshape(bias === null ? product : context.add(product, bias), [
        headWidth,
        count,
        length,
      ]);
    };
    const rope = isWindowed(this.#model, layer) && windowed !== null ? windowed.rope : this.#model.rope;
    const rotated = (tensor: Tensor) => context.rope(tensor, positions, { rope, factors: null });
    const byHead = (tensor: Tensor) => context.permute(tensor, [0, 2, 1, 3]);
    const queriesAndKeys = (target: "attn_q" | "attn_k", count: number) =>
      byHead(rotated(this.#normIfThere(inHeads(target, count), `blk.${layer}.${target}_norm`)));
    const queries = queriesAndKeys("attn_q", heads);
    const keys = queriesAndKeys("attn_k", keyValueHeads);
    const values = context.contiguous(context.permute(inHeads("attn_v", keyValueHeads), [1, 2, 0, 3]));
    const scale = 1 / Math.sqrt(headWidth);
    const probabilities = context.softMax(context.mulMat(keys, queries), mask, { scale });
    const mixed = context.contiguous(byHead(context.mulMat(values, probabilities)));
    const result = this.#adapted(layer, "attn_output", context.reshape(mixed, [heads * headWidth, length]));
    return this.#normIfThere(result, `blk.${layer}.post_attention_norm`);
  }

  #feedForward(layer: number, x: Tensor): Tensor {
    const normed = this.#norm(x, `blk.${layer}.ffn_norm`);
    const gate = this.#adapted(layer, "ffn_gate", normed);
    const activated = this.#model.features.activation === "gelu"
      ? this.#gelu(gate)
      : this.#context.silu(gate);
    const product = this.#context.mul(activated, this.#adapted(layer, "ffn_up", normed));
    const result = this.#adapted(layer, "ffn_down", product);
    return this.#normIfThere(result, `blk.${layer}.post_ffw_norm`);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#context[Symbol.dispose]();
    this.#backend[Symbol.dispose]();
  }
}

/**
 * The weighted mean loss of several samples and its gradient in every number of an adapter, each sample in a
 * graph of its own.
 */
export async function autodiffGradient(
  path: string,
  layout: LoraLayout,
  options: { samples: readonly TokenSample[]; parameters: Float32Array },
): Promise<{ loss: number; gradient: Float64Array }> {
  const { samples, parameters } = options;
  const shareOf = ({ reply, weight = 1 }: TokenSample) => reply.length * weight;
  const total = samples.reduce((sum, sample) => sum + shareOf(sample), 0);
  const gradient = new Float64Array(layout.length);
  let loss = 0;
  for (const sample of samples) {
    using graph = new PlainGraph(path, layout, { sample, parameters });
    const result = await graph.compute();
    const share = shareOf(sample) / total;
    loss += result.loss * share;
    result.gradient.forEach((value, index) => gradient[index] = (gradient[index] ?? 0) + value * share);
  }
  return { loss, gradient };
}
