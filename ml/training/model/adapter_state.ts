/** Holds an adapter in training: parameters, gradients and AdamW moments, and takes the optimizer's step. */
import { F32_BYTES } from "../ggml/constants.ts";
import { seededRandom } from "../../engine/sampling.ts";
import { type CpuBackend, floatsOf } from "../ggml/backend.ts";
import type { BufferHandle, GraphHandle, Tensor } from "../ggml/ffi.ts";
import { F32, TensorContext } from "../ggml/tensor_context.ts";
import type { OptimizerOptions } from "../trainer.ts";
import type { LoraLayout } from "./lora_layout.ts";
import type { LoraTensors } from "./lora_products.ts";

export const OPTIMIZER_DEFAULTS: Required<OptimizerOptions> = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1,
};

/** `ggml_opt_step_adamw`'s numbers: rate, beta1, beta2, epsilon, decay, both bias corrections. */
const ADAMW_SETTINGS = 7;
const NUMBERS_PER_PARAMETER = 4;

/** Bytes that an adapter in training takes. */
export function adapterBytes(layout: LoraLayout): number {
  return layout.length * NUMBERS_PER_PARAMETER * F32_BYTES;
}

/** Initialises each A as PEFT does, uniform within 1/sqrt(input width), and each B to zero: no effect at first. */
function initialNumbers(layout: LoraLayout, seed: number): Float32Array {
  const random = seededRandom(seed);
  const numbers = new Float32Array(layout.length);
  for (const { inputWidth, offsetA } of layout.modules) {
    const bound = 1 / Math.sqrt(inputWidth);
    const end = offsetA + inputWidth * layout.rank;
    for (let index = offsetA; index < end; index++) numbers[index] = (2 * random() - 1) * bound;
  }
  return numbers;
}

/** An adapter's parameters and its AdamW state. */
export class AdapterState implements Disposable {
  readonly layout: LoraLayout;
  /** Optimizer steps taken so far. */
  steps = 0;
  readonly #backend: CpuBackend;
  readonly #optimizer: Required<OptimizerOptions>;
  readonly #seed: number;
  readonly #context: TensorContext;
  readonly #graph: GraphHandle;
  readonly #buffer: BufferHandle;
  readonly #tensors: Record<"parameters" | "gradients" | "firstMoment" | "secondMoment" | "settings", Tensor>;

  /** @throws TrainingError `out_of_memory` */
  constructor(
    backend: CpuBackend,
    layout: LoraLayout,
    options: { seed: number; optimizer: Required<OptimizerOptions> },
  ) {
    this.layout = layout;
    this.#backend = backend;
    this.#optimizer = options.optimizer;
    this.#seed = options.seed;
    const context = new TensorContext(backend.ggml, { tensors: 8, graphNodes: 8 });
    const flat = () => context.tensor(F32, [layout.length]);
    this.#context = context;
    this.#tensors = {
      parameters: flat(),
      gradients: flat(),
      firstMoment: flat(),
      secondMoment: flat(),
      settings: context.tensor(F32, [ADAMW_SETTINGS]),
    };
    this.#graph = context.graph(8);
    const { parameters, gradients, ...rest } = this.#tensors;
    context.expand(this.#graph, context.adamw(parameters, { gradient: gradients, ...rest }));
    this.#buffer = backend.allocate(context.handle);
    this.initialise();
    for (const moment of this.moments) moment.fill(0);
  }

  /** Sets the parameters to those of a new adapter, which changes nothing. */
  initialise(): void {
    this.parameters.set(initialNumbers(this.layout, this.#seed));
  }

  /** The parameters, laid out as `layout` says; not a copy. */
  get parameters(): Float32Array {
    return floatsOf(this.#backend.ggml, this.#tensors.parameters);
  }

  get gradients(): Float32Array {
    return floatsOf(this.#backend.ggml, this.#tensors.gradients);
  }

  get moments(): [Float32Array, Float32Array] {
    const { ggml } = this.#backend;
    return [floatsOf(ggml, this.#tensors.firstMoment), floatsOf(ggml, this.#tensors.secondMoment)];
  }

  /** The adapter's tensors for a graph, at a scale. */
  tensors(options: { scale: number }): LoraTensors {
    const { parameters, gradients } = this.#tensors;
    const { rank, alpha } = this.layout;
    return { parameters, gradients, rank, scale: options.scale * alpha / rank };
  }

  /** Euclidean norm of the complete gradient. */
  gradientNorm(): number {
    let sum = 0;
    for (const gradient of this.gradients) sum += gradient * gradient;
    return Math.sqrt(sum);
  }

  /** Clips the gradient to the maximum norm and takes one step of AdamW. */
  async step(learningRate: number, options: { gradientNorm: number }): Promise<void> {
    const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = this.#optimizer;
    if (options.gradientNorm > maxGradientNorm) {
      const factor = maxGradientNorm / options.gradientNorm;
      const gradients = this.gradients;
      for (let index = 0; index < gradients.length; index++) {
        gradients[index] = (gradients[index] ?? 0) * factor;
      }
    }
    this.steps++;
    floatsOf(this.#backend.ggml, this.#tensors.settings).set([
      learningRate,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      1 / (1 - beta1 ** this.steps),
      1 / (1 - beta2 ** this.steps),
    ]);
    await this.#backend.compute(this.#graph);
  }

  [Symbol.dispose](): void {
    this.#backend.ggml.ggml_backend_buffer_free(this.#buffer);
    this.#context[Symbol.dispose]();
  }
}
