/** Builds the feed-forward layer's activation of its gate, multiplied by its other half, forward and backward. */
import type { Tensor } from "../ggml/ffi.ts";
import type { TensorContext } from "../ggml/tensor_context.ts";

/** `activation(gate) ⊙ up` and its adjoint. All tensors are [feedForward, rows]. */
export interface GatedActivation {
  forward(gate: Tensor, up: Tensor): Tensor;
  backward(gradient: Tensor, inputs: { gate: Tensor; up: Tensor }): { ofGate: Tensor; ofUp: Tensor };
}

/** SiLU: `x·σ(x)`. */
export class SwiGlu implements GatedActivation {
  readonly #context: TensorContext;

  constructor(context: TensorContext) {
    this.#context = context;
  }

  forward(gate: Tensor, up: Tensor): Tensor {
    return this.#context.swiglu(gate, up);
  }

  backward(
    gradient: Tensor,
    { gate, up }: { gate: Tensor; up: Tensor },
  ): { ofGate: Tensor; ofUp: Tensor } {
    const context = this.#context;
    const ofUp = context.swiglu(gate, gradient);
    return { ofGate: context.siluBack(context.mul(gradient, up), gate), ofUp };
  }
}

/** Of GELU's approximation by tanh, `x·(1 + tanh(√(2/π)·(x + CUBIC·x³))) / 2`. */
const CUBIC = 0.044715;
const LINEAR = 2 * Math.sqrt(2 / Math.PI);

/**
 * GELU as `x·σ(z) = silu(z) / w`, with `w = LINEAR·(1 + CUBIC·x²)` and `z = w·x`.
 *
 * ggml's own GELU reads a table of 16-bit floats, which has no slope, and there is no adjoint of it.
 */
export class GeGlu implements GatedActivation {
  readonly #context: TensorContext;

  constructor(context: TensorContext) {
    this.#context = context;
  }

  forward(gate: Tensor, up: Tensor): Tensor {
    const { w, z } = this.#factors(gate);
    return this.#context.div(this.#context.swiglu(z, up), w);
  }

  /** With `a = ∂·up / w`: the slope in x is `silu'(z)·a·(w + x·w') - silu(z)·a·w'/w`, and `w' = 2·LINEAR·CUBIC·x`. */
  backward(
    gradient: Tensor,
    { gate, up }: { gate: Tensor; up: Tensor },
  ): { ofGate: Tensor; ofUp: Tensor } {
    const context = this.#context;
    const { w, z } = this.#factors(gate);
    const scaled = context.div(gradient, w);
    const ofUp = context.swiglu(z, scaled);
    const a = context.mul(scaled, up);
    const slope = context.siluBack(a, z);
    const rest = context.sub(context.mul(slope, gate), context.div(context.swiglu(z, a), w));
    const ofSquare = context.mul(context.scale(gate, 2 * LINEAR * CUBIC), rest);
    return { ofGate: context.add(context.mul(slope, w), ofSquare), ofUp };
  }

  #factors(x: Tensor): { w: Tensor; z: Tensor } {
    const context = this.#context;
    const w = context.scaleBias(context.mul(x, x), { factor: LINEAR * CUBIC, bias: LINEAR });
    return { w, z: context.mul(w, x) };
  }
}
