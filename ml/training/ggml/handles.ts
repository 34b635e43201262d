/** Owns the opaque handle types of ggml: one per kind, so that a tensor cannot be passed for a graph. */

/** A native pointer that TypeScript tells apart by its kind. */
export type Handle<Kind extends string> = Deno.PointerObject<Kind>;

/** `struct ggml_context *`: holds the descriptions of tensors and graphs. */
export type ContextHandle = Handle<"ggml_context">;
/** `struct ggml_tensor *` */
export type Tensor = Handle<"ggml_tensor">;
/** `struct ggml_cgraph *` */
export type GraphHandle = Handle<"ggml_cgraph">;
/** `ggml_gallocr_t`: places the tensors of graphs in one buffer, reusing what is no longer needed. */
export type AllocatorHandle = Handle<"ggml_gallocr">;
/** `ggml_backend_t` */
export type BackendHandle = Handle<"ggml_backend">;
/** `ggml_backend_buffer_t` */
export type BufferHandle = Handle<"ggml_backend_buffer">;
/** `ggml_backend_buffer_type_t` */
export type BufferTypeHandle = Handle<"ggml_backend_buffer_type">;
/** `ggml_backend_dev_t`: a processor that a family of backends offers. */
export type DeviceHandle = Handle<"ggml_backend_device">;
/** `ggml_backend_reg_t`: a family of backends, such as the CPU's. */
export type RegistrationHandle = Handle<"ggml_backend_reg">;
/** `struct gguf_context *`: metadata and tensor directory of a GGUF file. */
export type GgufHandle = Handle<"gguf_context">;
