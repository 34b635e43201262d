/** Declares ggml to Deno's FFI: pointers typed by kind, C strings, and the signatures of the functions that training calls. */

/** A native pointer typed by its kind, so that a tensor cannot be passed for a graph. */
export type Handle<Kind extends string> = Deno.PointerObject<Kind>;

/** `struct ggml_context *`: holds the descriptions of tensors and graphs. */
export type ContextHandle = Handle<"ggml_context">;
/** `struct ggml_tensor *` */
export type Tensor = Handle<"ggml_tensor">;
/** `struct ggml_cgraph *` */
export type GraphHandle = Handle<"ggml_cgraph">;
/** `ggml_gallocr_t`: places a graph's tensors in one buffer and reuses memory that is no longer needed. */
export type AllocatorHandle = Handle<"ggml_gallocr">;
/** `ggml_backend_t` */
export type BackendHandle = Handle<"ggml_backend">;
/** `ggml_backend_buffer_t` */
export type BufferHandle = Handle<"ggml_backend_buffer">;
/** `ggml_backend_buffer_type_t` */
export type BufferTypeHandle = Handle<"ggml_backend_buffer_type">;
/** `ggml_backend_dev_t`: a device of a backend family. */
export type DeviceHandle = Handle<"ggml_backend_device">;
/** `ggml_backend_reg_t`: a backend family, such as the CPU's. */
export type RegistrationHandle = Handle<"ggml_backend_reg">;
/** `struct gguf_context *`: metadata and tensor directory of a GGUF file. */
export type GgufHandle = Handle<"gguf_context">;

const encoder = new TextEncoder();

/** The bytes of a C string. */
export function cText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** The C string at a pointer; empty for a null pointer. */
export function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}

const context = "pointer" as Deno.NativeTypedPointer<ContextHandle>;
const tensor = "pointer" as Deno.NativeTypedPointer<Tensor>;
const graph = "pointer" as Deno.NativeTypedPointer<GraphHandle>;
const allocator = "pointer" as Deno.NativeTypedPointer<AllocatorHandle>;
const backend = "pointer" as Deno.NativeTypedPointer<BackendHandle>;
const buffer = "pointer" as Deno.NativeTypedPointer<BufferHandle>;
const device = "pointer" as Deno.NativeTypedPointer<DeviceHandle>;
const bufferType = "pointer" as Deno.NativeTypedPointer<BufferTypeHandle>;
const registration = "pointer" as Deno.NativeTypedPointer<RegistrationHandle>;
const gguf = "pointer" as Deno.NativeTypedPointer<GgufHandle>;
/** A C string passed in: bytes with a closing zero. */
const text = "buffer";

const unary = { parameters: [context, tensor], result: tensor } as const;
const binary = { parameters: [context, tensor, tensor], result: tensor } as const;
const soft = { parameters: [context, tensor, tensor, "f32", "f32"], result: tensor } as const;
const rope = {
  parameters: [
    context,
    tensor,
    tensor,
    tensor,
    "i32",
    "i32",
    "i32",
    "f32",
    "f32",
    "f32",
    "f32",
    "f32",
    "f32",
  ],
  result: tensor,
} as const;

/** Of `libggml-base`: tensors, operations, graphs, allocation, GGUF. */
export const BASE_SYMBOLS = {
  ggml_version: { parameters: [], result: "pointer" },
  ggml_commit: { parameters: [], result: "pointer" },
  ggml_type_name: { parameters: ["i32"], result: "pointer" },
  ggml_op_name: { parameters: ["i32"], result: "pointer" },
  ggml_type_size: { parameters: ["i32"], result: "usize" },
  ggml_blck_size: { parameters: ["i32"], result: "i64" },
  ggml_tensor_overhead: { parameters: [], result: "usize" },
  ggml_graph_overhead_custom: { parameters: ["usize", "bool"], result: "usize" },
  ggml_log_get: { parameters: ["buffer", "buffer"], result: "void" },
  ggml_log_set: { parameters: ["function", "pointer"], result: "void" },

  ggml_init: { parameters: [{ struct: ["usize", "pointer", "bool"] }], result: context },
  ggml_free: { parameters: [context], result: "void" },
  ggml_new_tensor_4d: { parameters: [context, "i32", "i64", "i64", "i64", "i64"], result: tensor },
  ggml_nbytes: { parameters: [tensor], result: "usize" },
  ggml_get_data: { parameters: [tensor], result: "pointer" },
  ggml_set_name: { parameters: [tensor, text], result: tensor },
  ggml_set_input: { parameters: [tensor], result: "void" },
  ggml_set_output: { parameters: [tensor], result: "void" },
  ggml_set_param: { parameters: [tensor], result: "void" },
  ggml_set_loss: { parameters: [tensor], result: "void" },

  ggml_add: binary,
  ggml_add_inplace: binary,
  ggml_acc_inplace: {
    parameters: [context, tensor, tensor, "usize", "usize", "usize", "usize"],
    result: tensor,
  },
  ggml_sub: binary,
  ggml_mul: binary,
  ggml_div: binary,
  ggml_scale: { parameters: [context, tensor, "f32"], result: tensor },
  ggml_scale_bias: { parameters: [context, tensor, "f32", "f32"], result: tensor },
  ggml_sum: unary,
  ggml_silu: unary,
  ggml_silu_back: binary,
  ggml_swiglu_split: binary,
  ggml_concat: { parameters: [context, tensor, tensor, "i32"], result: tensor },
  ggml_rms_norm: { parameters: [context, tensor, "f32"], result: tensor },
  ggml_rms_norm_back: { parameters: [context, tensor, tensor, "f32"], result: tensor },
  ggml_mul_mat: binary,
  ggml_out_prod: binary,
  ggml_cpy: binary,
  ggml_cast: { parameters: [context, tensor, "i32"], result: tensor },
  ggml_cont: unary,
  ggml_reshape_4d: { parameters: [context, tensor, "i64", "i64", "i64", "i64"], result: tensor },
  ggml_view_4d: {
    parameters: [context, tensor, "i64", "i64", "i64", "i64", "usize", "usize", "usize", "usize"],
    result: tensor,
  },
  ggml_permute: { parameters: [context, tensor, "i32", "i32", "i32", "i32"], result: tensor },
  ggml_transpose: unary,
  ggml_get_rows: binary,
  ggml_get_rows_back: { parameters: [context, tensor, tensor, tensor], result: tensor },
  ggml_set_rows: { parameters: [context, tensor, tensor, tensor], result: tensor },
  ggml_soft_max_ext: soft,
  ggml_soft_max_ext_back: soft,
  ggml_rope_ext: rope,
  ggml_rope_ext_back: rope,
  ggml_cross_entropy_loss: binary,
  ggml_opt_step_adamw: {
    parameters: [context, tensor, tensor, tensor, tensor, tensor],
    result: tensor,
  },

  ggml_new_graph_custom: { parameters: [context, "usize", "bool"], result: graph },
  ggml_build_forward_expand: { parameters: [graph, tensor], result: "void" },
  ggml_build_backward_expand: { parameters: [context, graph, "pointer"], result: "void" },
  ggml_graph_get_grad: { parameters: [graph, tensor], result: tensor },
  ggml_graph_reset: { parameters: [graph], result: "void" },
  ggml_graph_n_nodes: { parameters: [graph], result: "i32" },
  ggml_graph_add_node: { parameters: [graph, tensor], result: "void" },
  ggml_graph_node: { parameters: [graph, "i32"], result: tensor },
  ggml_op_desc: { parameters: [tensor], result: "pointer" },

  ggml_gallocr_new: { parameters: [bufferType], result: allocator },
  ggml_gallocr_free: { parameters: [allocator], result: "void" },
  ggml_gallocr_reserve: { parameters: [allocator, graph], result: "bool" },
  ggml_gallocr_alloc_graph: { parameters: [allocator, graph], result: "bool" },
  ggml_gallocr_reserve_n_size: {
    parameters: [allocator, graph, "pointer", "pointer", "buffer"],
    result: "void",
  },
  ggml_gallocr_get_buffer_size: { parameters: [allocator, "i32"], result: "usize" },
  ggml_backend_alloc_ctx_tensors_from_buft: { parameters: [context, bufferType], result: buffer },
  ggml_backend_buft_name: { parameters: [bufferType], result: "pointer" },
  ggml_backend_alloc_ctx_tensors: { parameters: [context, backend], result: buffer },
  ggml_backend_buffer_free: { parameters: [buffer], result: "void" },
  ggml_backend_get_default_buffer_type: { parameters: [backend], result: bufferType },
  ggml_backend_free: { parameters: [backend], result: "void" },
  ggml_backend_tensor_set: { parameters: [tensor, "buffer", "usize", "usize"], result: "void" },
  ggml_backend_graph_compute: { parameters: [backend, graph], result: "i32", nonblocking: true },
  ggml_backend_reg_dev_get: { parameters: [registration, "usize"], result: device },
  ggml_backend_reg_get_proc_address: { parameters: [registration, text], result: "pointer" },

  gguf_init_from_file: { parameters: [text, { struct: ["bool", "pointer"] }], result: gguf },
  gguf_init_empty: { parameters: [], result: gguf },
  gguf_free: { parameters: [gguf], result: "void" },
  gguf_get_data_offset: { parameters: [gguf], result: "usize" },
  gguf_find_key: { parameters: [gguf, text], result: "i64" },
  gguf_get_kv_type: { parameters: [gguf, "i64"], result: "i32" },
  gguf_get_arr_n: { parameters: [gguf, "i64"], result: "usize" },
  gguf_get_val_data: { parameters: [gguf, "i64"], result: "pointer" },
  gguf_get_val_str: { parameters: [gguf, "i64"], result: "pointer" },
  gguf_get_n_tensors: { parameters: [gguf], result: "i64" },
  gguf_get_tensor_name: { parameters: [gguf, "i64"], result: "pointer" },
  gguf_get_tensor_ne: { parameters: [gguf, "i64"], result: "pointer" },
  gguf_get_tensor_type: { parameters: [gguf, "i64"], result: "i32" },
  gguf_get_tensor_offset: { parameters: [gguf, "i64"], result: "usize" },
  gguf_get_tensor_size: { parameters: [gguf, "i64"], result: "usize" },
  gguf_set_val_str: { parameters: [gguf, text, text], result: "void" },
  gguf_set_val_f32: { parameters: [gguf, text, "f32"], result: "void" },
  gguf_set_val_f64: { parameters: [gguf, text, "f64"], result: "void" },
  gguf_set_val_bool: { parameters: [gguf, text, "bool"], result: "void" },
  gguf_add_tensor: { parameters: [gguf, tensor], result: "void" },
  gguf_write_to_file: { parameters: [gguf, text, "bool"], result: "bool" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Of `libggml`: the registry of backends. */
export const REGISTRY_SYMBOLS = {
  ggml_backend_load_all_from_path: { parameters: [text], result: "void" },
  ggml_backend_reg_by_name: { parameters: [text], result: registration },
  ggml_backend_init_by_name: { parameters: [text, "pointer"], result: backend },
} as const satisfies Deno.ForeignLibraryInterface;
