/** Wraps a ggml context: describes tensors, the operations between them, and graphs. */
import { F32_BYTES, GGML_TYPE, type GgmlType, MAX_NAME_BYTES, TENSOR_OVERHEAD_BYTES } from "./constants.ts";
import { type ContextHandle, cText, type GraphHandle, type Tensor } from "./ffi.ts";
import type { Ggml } from "./library.ts";
import { TrainingError } from "../training_error.ts";

/** Sizes of a tensor's dimensions in ggml's order: the contiguous one first. Missing ones are 1. */
export type Shape = readonly [number, number?, number?, number?];

/** A view of a tensor: its shape, its strides in bytes, and its offset. */
export interface ViewOptions {
  shape: Shape;
  /** Bytes from one index to the next in the second, third and fourth dimension; missing ones are contiguous. */
  strides?: readonly [number, number?, number?];
  offset?: number;
}

/** Rotary position embedding: the arguments of `ggml_rope_ext`. */
export interface Rope {
  /** Leading elements of a head that are rotated. */
  dimensions: number;
  mode: number;
  originalContext: number;
  base: number;
  scale: number;
  /** 0 scales all frequencies equally, 1 as YaRN does. */
  extension: number;
  magnitude: number;
  betaFast: number;
  betaSlow: number;
}

/** The tensors an AdamW step works on, all of one shape but `settings`. */
export interface AdamwTensors {
  gradient: Tensor;
  firstMoment: Tensor;
  secondMoment: Tensor;
  /** Seven numbers: rate, beta1, beta2, epsilon, decay, and both bias corrections. */
  settings: Tensor;
}

function dimensionsOf(shape: Shape): [bigint, bigint, bigint, bigint] {
  return [BigInt(shape[0]), BigInt(shape[1] ?? 1), BigInt(shape[2] ?? 1), BigInt(shape[3] ?? 1)];
}

/** ggml aborts the process rather than return null, so this mostly satisfies the type checker. */
function present(tensor: Tensor | null): Tensor {
  if (tensor !== null) return tensor;
  throw new TrainingError("compute_failed", "ggml returned no tensor");
}

/**
 * A context without memory for tensor data: buffers and allocators provide it.
 *
 * Operations only describe a result; nothing is computed here. Matrices are in ggml's order: `mulMat(a, b)` of
 * `a [k, m]` and `b [k, n]` is `[m, n]`. Tensors hold 32-bit floats unless stated otherwise.
 */
export class TensorContext implements Disposable {
  readonly handle: ContextHandle;
  readonly #ggml: Ggml;

  /** @param options `tensors`: capacity in tensors; `graphNodes`: capacity of all its graphs in nodes */
  constructor(ggml: Ggml, options: { tensors: number; graphNodes?: number; gradients?: boolean }) {
    const { tensors, graphNodes = 0, gradients = false } = options;
    const graphBytes = graphNodes > 0
      ? Number(ggml.ggml_graph_overhead_custom(BigInt(graphNodes), gradients))
      : 0;
    const params = new DataView(new ArrayBuffer(24));
    params.setBigUint64(0, BigInt(tensors * TENSOR_OVERHEAD_BYTES + graphBytes), true);
    params.setUint8(16, 1);
    const handle = ggml.ggml_init(new Uint8Array(params.buffer));
    if (handle === null) throw new TrainingError("out_of_memory", "There is not enough memory for a graph");
    this.handle = handle;
    this.#ggml = ggml;
  }

  tensor(type: GgmlType, shape: Shape): Tensor {
    return present(this.#ggml.ggml_new_tensor_4d(this.handle, type, ...dimensionsOf(shape)));
  }

  /** Describes a tensor that is written before the graph runs. */
  input(type: GgmlType, shape: Shape): Tensor {
    const tensor = this.tensor(type, shape);
    this.#ggml.ggml_set_input(tensor);
    return tensor;
  }

  /** Marks a tensor that is read after the graph ran. */
  output(tensor: Tensor): Tensor {
    this.#ggml.ggml_set_output(tensor);
    return tensor;
  }

  name(tensor: Tensor, name: string): Tensor {
    const text = cText(name);
    if (text.length > MAX_NAME_BYTES) throw new RangeError(`A tensor's name is too long: ${name}`);
    return present(this.#ggml.ggml_set_name(tensor, text));
  }

  graph(nodes: number, options: { gradients?: boolean } = {}): GraphHandle {
    const graph = this.#ggml.ggml_new_graph_custom(this.handle, BigInt(nodes), options.gradients ?? false);
    if (graph === null) throw new TrainingError("out_of_memory", "There is not enough memory for a graph");
    return graph;
  }

  add(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_add(this.handle, a, b));
  }

  /** `a += b` */
  addInPlace(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_add_inplace(this.handle, a, b));
  }

  /** Adds `b [fewer rows, n]` in place to the rows of `a [rows, n]` from `firstRow` on. */
  addRowsInPlace(a: Tensor, b: Tensor, options: { rows: number; firstRow: number; count: number }): Tensor {
    const { rows, firstRow, count } = options;
    const [stride, cube] = [BigInt(rows * F32_BYTES), BigInt(rows * count * F32_BYTES)];
    const offset = BigInt(firstRow * F32_BYTES);
    return present(this.#ggml.ggml_acc_inplace(this.handle, a, b, stride, cube, cube, offset));
  }

  /** Adds `b` in place to the beginning of `a` along its second dimension; `shape` is that of `a`. */
  addPartInPlace(a: Tensor, b: Tensor, options: { shape: readonly [number, number, number] }): Tensor {
    const [width, rows, slices] = options.shape;
    const [row, slice] = [width * F32_BYTES, width * rows * F32_BYTES];
    const strides = [BigInt(row), BigInt(slice), BigInt(slice * slices)] as const;
    return present(this.#ggml.ggml_acc_inplace(this.handle, a, b, ...strides, 0n));
  }

  sub(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_sub(this.handle, a, b));
  }

  div(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_div(this.handle, a, b));
  }

  mul(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_mul(this.handle, a, b));
  }

  scale(a: Tensor, factor: number): Tensor {
    return present(this.#ggml.ggml_scale(this.handle, a, factor));
  }

  /** `a * factor + bias` */
  scaleBias(a: Tensor, options: { factor: number; bias: number }): Tensor {
    return present(this.#ggml.ggml_scale_bias(this.handle, a, options.factor, options.bias));
  }

  sum(a: Tensor): Tensor {
    return present(this.#ggml.ggml_sum(this.handle, a));
  }

  silu(a: Tensor): Tensor {
    return present(this.#ggml.ggml_silu(this.handle, a));
  }

  siluBack(gradient: Tensor, x: Tensor): Tensor {
    return present(this.#ggml.ggml_silu_back(this.handle, gradient, x));
  }

  /** `silu(gate) * up` */
  swiglu(gate: Tensor, up: Tensor): Tensor {
    return present(this.#ggml.ggml_swiglu_split(this.handle, gate, up));
  }

  concat(a: Tensor, b: Tensor, options: { dimension: number }): Tensor {
    return present(this.#ggml.ggml_concat(this.handle, a, b, options.dimension));
  }

  rmsNorm(x: Tensor, epsilon: number): Tensor {
    return present(this.#ggml.ggml_rms_norm(this.handle, x, epsilon));
  }

  rmsNormBack(gradient: Tensor, x: Tensor, options: { epsilon: number }): Tensor {
    return present(this.#ggml.ggml_rms_norm_back(this.handle, gradient, x, options.epsilon));
  }

  mulMat(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_mul_mat(this.handle, a, b));
  }

  /** `a [m, k]`, `b [n, k]` to [m, n]. */
  outProd(a: Tensor, b: Tensor): Tensor {
    return present(this.#ggml.ggml_out_prod(this.handle, a, b));
  }

  /** Copies `from` into `to`, converting its type. */
  copy(from: Tensor, to: Tensor): Tensor {
    return present(this.#ggml.ggml_cpy(this.handle, from, to));
  }

  /** A copy of another type. */
  cast(a: Tensor, type: GgmlType): Tensor {
    return present(this.#ggml.ggml_cast(this.handle, a, type));
  }

  contiguous(a: Tensor): Tensor {
    return present(this.#ggml.ggml_cont(this.handle, a));
  }

  reshape(a: Tensor, shape: Shape): Tensor {
    return present(this.#ggml.ggml_reshape_4d(this.handle, a, ...dimensionsOf(shape)));
  }

  /** A view of a tensor of 32-bit floats or integers. */
  view(a: Tensor, options: ViewOptions): Tensor {
    const { shape, strides, offset = 0 } = options;
    const row = strides?.[0] ?? shape[0] * F32_BYTES;
    const slice = strides?.[1] ?? row * (shape[1] ?? 1);
    const cube = strides?.[2] ?? slice * (shape[2] ?? 1);
    return present(this.#ggml.ggml_view_4d(
      this.handle,
      a,
      ...dimensionsOf(shape),
      BigInt(row),
      BigInt(slice),
      BigInt(cube),
      BigInt(offset),
    ));
  }

  /** Dimension `i` of `a` becomes dimension `axes[i]`. */
  permute(a: Tensor, axes: readonly [number, number, number, number]): Tensor {
    return present(this.#ggml.ggml_permute(this.handle, a, ...axes));
  }

  transpose(a: Tensor): Tensor {
    return present(this.#ggml.ggml_transpose(this.handle, a));
  }

  /** Rows of `a [n, rows]`, of any type, at the 32-bit integers of `indices [m]`, as floats [n, m]. */
  getRows(a: Tensor, indices: Tensor): Tensor {
    return present(this.#ggml.ggml_get_rows(this.handle, a, indices));
  }

  /** The adjoint of `getRows(like, indices)`: adds each row of `rows` to the row it was taken from. */
  getRowsBack(rows: Tensor, indices: Tensor, options: { like: Tensor }): Tensor {
    return present(this.#ggml.ggml_get_rows_back(this.handle, rows, indices, options.like));
  }

  /** Writes `rows` into `a` in place, at `indices`. */
  setRows(a: Tensor, rows: Tensor, options: { indices: Tensor }): Tensor {
    return present(this.#ggml.ggml_set_rows(this.handle, a, rows, options.indices));
  }

  /** `softmax(a * scale + mask)` along the first dimension. */
  softMax(a: Tensor, mask: Tensor | null, options: { scale: number }): Tensor {
    return present(this.#ggml.ggml_soft_max_ext(this.handle, a, mask, options.scale, 0));
  }

  /** @param y the forward result */
  softMaxBack(gradient: Tensor, y: Tensor, options: { scale: number }): Tensor {
    return present(this.#ggml.ggml_soft_max_ext_back(this.handle, gradient, y, options.scale, 0));
  }

  /** Rotates the heads of `a [head, heads, positions, samples]`. */
  rope(a: Tensor, positions: Tensor, options: { rope: Rope; factors: Tensor | null }): Tensor {
    const { rope, factors } = options;
    return present(this.#ggml.ggml_rope_ext(this.handle, a, positions, factors, ...ropeArguments(rope)));
  }

  ropeBack(gradient: Tensor, positions: Tensor, options: { rope: Rope; factors: Tensor | null }): Tensor {
    const { rope, factors } = options;
    return present(
      this.#ggml.ggml_rope_ext_back(this.handle, gradient, positions, factors, ...ropeArguments(rope)),
    );
  }

  /** Updates `parameters` and both moments in place by one step of AdamW. */
  adamw(parameters: Tensor, tensors: AdamwTensors): Tensor {
    this.#ggml.ggml_set_param(parameters);
    const { gradient, firstMoment, secondMoment, settings } = tensors;
    return present(
      this.#ggml.ggml_opt_step_adamw(this.handle, parameters, gradient, firstMoment, secondMoment, settings),
    );
  }

  /** Adds a result, and all it depends on, to a graph. */
  expand(graph: GraphHandle, result: Tensor): void {
    this.#ggml.ggml_build_forward_expand(graph, result);
  }

  [Symbol.dispose](): void {
    this.#ggml.ggml_free(this.handle);
  }
}

function ropeArguments(
  rope: Rope,
): [number, number, number, number, number, number, number, number, number] {
  return [
    rope.dimensions,
    rope.mode,
    rope.originalContext,
    rope.base,
    rope.scale,
    rope.extension,
    rope.magnitude,
    rope.betaFast,
    rope.betaSlow,
  ];
}

/** The types of operations' inputs and results. */
export const { f32: F32, i32: I32 } = GGML_TYPE;
