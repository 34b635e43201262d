/** Builds an adapter's products in the graph: what it adds to a matrix's output, and its gradients. */
import { F32_BYTES } from "../ggml/constants.ts";
import type { Tensor } from "../ggml/ffi.ts";
import type { TensorContext } from "../ggml/tensor_context.ts";
import type { LoraGroup, LoraModule } from "./lora_layout.ts";

/** An adapter's tensors, as the graph reads and writes them. */
export interface LoraTensors {
  parameters: Tensor;
  /** Gradients, accumulated since they were last set to zero. */
  gradients: Tensor;
  rank: number;
  /** `alpha / rank`, times the scale at which the adapter is applied. */
  scale: number;
}

/** What the backward pass needs from a group's forward pass. */
export interface LoraTrace {
  /** The group's input for the backward pass, with dropout applied. */
  inputAgain: () => Tensor;
  /** `scale · A·x` of all modules, [modules · rank, n]. */
  hidden: Tensor;
  /** Dropout's factors; null without. */
  mask: Tensor | null;
  columns: number;
}

/** One group's matrices within the flat tensors. */
export class LoraProducts {
  readonly #context: TensorContext;
  readonly #tensors: LoraTensors;
  readonly #group: LoraGroup;

  constructor(context: TensorContext, tensors: LoraTensors, options: { group: LoraGroup }) {
    this.#context = context;
    this.#tensors = tensors;
    this.#group = options.group;
  }

  get modules(): readonly LoraModule[] {
    return this.#group.modules;
  }

  /**
   * @param x the group's input, [inputWidth, columns]
   * @param options `again` provides the same input to the backward pass, recomputed where that is cheaper than storing it
   */
  trace(x: Tensor, options: { columns: number; mask: Tensor | null; again: () => Tensor }): LoraTrace {
    const { columns, mask, again } = options;
    const context = this.#context;
    const dropped = (input: Tensor) => mask === null ? input : context.mul(input, mask);
    const jointA = this.#jointA(this.#tensors.parameters);
    const hidden = context.scale(context.mulMat(jointA, dropped(x)), this.#tensors.scale);
    return { inputAgain: () => dropped(again()), hidden, mask, columns };
  }

  /** What a module adds to its matrix's output: [outputWidth, columns]. */
  addition(module: LoraModule, trace: LoraTrace): Tensor {
    const hidden = this.#hiddenOf(module, trace);
    return this.#context.outProd(this.#b(module, this.#tensors.parameters), this.#context.transpose(hidden));
  }

  /**
   * Accumulates the gradients of the group's matrices in place, and computes what the group adds to its input's gradient.
   *
   * @param gradients of each module's output, [outputWidth, columns]
   * @returns the results to be computed, and the input's gradient when it is wanted
   */
  back(
    gradients: readonly Tensor[],
    trace: LoraTrace,
    options: { wantsInput: boolean },
  ): { sums: Tensor[]; input: Tensor | null } {
    const context = this.#context;
    const sums: Tensor[] = [];
    const hiddenGradients = this.modules.map((module, index) => {
      const gradient = gradients[index];
      if (gradient === undefined) throw new RangeError("A module of an adapter has no output gradient");
      const ofB = context.outProd(gradient, this.#hiddenOf(module, trace));
      sums.push(context.addInPlace(this.#b(module, this.#tensors.gradients), ofB));
      return context.mulMat(this.#b(module, this.#tensors.parameters), gradient);
    });
    const joined = hiddenGradients.reduce((joined, next) => context.concat(joined, next, { dimension: 0 }));
    const hiddenGradient = context.scale(joined, this.#tensors.scale);
    const ofA = context.outProd(trace.inputAgain(), hiddenGradient);
    sums.push(context.addInPlace(this.#jointA(this.#tensors.gradients), ofA));
    if (!options.wantsInput) return { sums, input: null };
    const input = context.outProd(this.#jointA(this.#tensors.parameters), context.transpose(hiddenGradient));
    return { sums, input: trace.mask === null ? input : context.mul(input, trace.mask) };
  }

  #hiddenOf(module: LoraModule, trace: LoraTrace): Tensor {
    const { rank } = this.#tensors;
    const rowBytes = this.modules.length * rank * F32_BYTES;
    return this.#context.view(trace.hidden, {
      shape: [rank, trace.columns],
      strides: [rowBytes],
      offset: this.modules.indexOf(module) * rank * F32_BYTES,
    });
  }

  #jointA(flat: Tensor): Tensor {
    const shape = [this.#group.inputWidth, this.#tensors.rank * this.modules.length] as const;
    return this.#context.view(flat, { shape, offset: (this.modules[0]?.offsetA ?? 0) * F32_BYTES });
  }

  #b({ outputWidth, offsetB }: LoraModule, flat: Tensor): Tensor {
    return this.#context.view(flat, {
      shape: [outputWidth, this.#tensors.rank],
      offset: offsetB * F32_BYTES,
    });
  }
}
