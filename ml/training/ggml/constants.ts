/** Repeats the numbers of the pinned ggml's headers; `checkLibrary` compares them with the library. */

/** `ggml_version()` and `ggml_commit()` of the library in node-llama-cpp 3.21.1 (llama.cpp release v0.4.0). */
export const GGML_VERSION = "0.23.0";
export const GGML_COMMIT = "5b4ebc5";

/** `enum ggml_type` of ggml.h, for the types that trainable model files contain; named as `ggml_type_name` does. */
export const GGML_TYPE = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q5_0: 6,
  q5_1: 7,
  q8_0: 8,
  q4_K: 12,
  q5_K: 13,
  q6_K: 14,
  i32: 26,
  i64: 27,
  bf16: 30,
} as const;
export type TypeName = keyof typeof GGML_TYPE;
export type GgmlType = typeof GGML_TYPE[TypeName];

/** The name of each type, by its number. */
export const TYPE_NAMES: ReadonlyMap<number, TypeName> = new Map(
  (Object.entries(GGML_TYPE) as [TypeName, number][]).map(([name, type]) => [type, name]),
);

/** Elements and bytes of a block of each type, from ggml-common.h. */
export const TYPE_BLOCKS: Readonly<Record<TypeName, { elements: number; bytes: number }>> = {
  f32: { elements: 1, bytes: 4 },
  f16: { elements: 1, bytes: 2 },
  q4_0: { elements: 32, bytes: 18 },
  q4_1: { elements: 32, bytes: 20 },
  q5_0: { elements: 32, bytes: 22 },
  q5_1: { elements: 32, bytes: 24 },
  q8_0: { elements: 32, bytes: 34 },
  q4_K: { elements: 256, bytes: 144 },
  q5_K: { elements: 256, bytes: 176 },
  q6_K: { elements: 256, bytes: 210 },
  i32: { elements: 1, bytes: 4 },
  i64: { elements: 1, bytes: 8 },
  bf16: { elements: 1, bytes: 2 },
};

/** Bytes of a 32-bit float. */
export const F32_BYTES = TYPE_BLOCKS.f32.bytes;

/** `sizeof(struct ggml_tensor)` plus its `struct ggml_object`: `ggml_tensor_overhead()`. */
export const TENSOR_OVERHEAD_BYTES = 368;

/** `GGML_MAX_NAME` of ggml.h: longest tensor name, its closing zero included. */
export const MAX_NAME_BYTES = 64;

/** `enum ggml_status` of ggml.h. */
export const STATUS_SUCCESS = 0;

/** `GGML_ROPE_TYPE_NORMAL` of ggml.h: pairs of neighbours are rotated, as in files of the llama family. */
export const ROPE_TYPE_NORMAL = 0;
/** `GGML_ROPE_TYPE_NEOX` of ggml.h: each element is rotated with the one half a head further. */
export const ROPE_TYPE_NEOX = 2;

/** `enum gguf_type` of gguf.h. */
export const GGUF_TYPE = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  str: 8,
  arr: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;
export type GgufTypeName = keyof typeof GGUF_TYPE;

/** Operations that training computes, by `ggml_op_name`: the library must know each. */
export const OPERATION_NUMBERS = {
  ADD: 2,
  SUB: 6,
  MUL: 7,
  DIV: 8,
  CONCAT: 22,
  SILU_BACK: 23,
  RMS_NORM: 25,
  RMS_NORM_BACK: 26,
  MUL_MAT: 29,
  OUT_PROD: 31,
  CPY: 34,
  GET_ROWS: 40,
  GET_ROWS_BACK: 41,
  SET_ROWS: 42,
  SOFT_MAX: 46,
  SOFT_MAX_BACK: 47,
  ROPE: 48,
  ROPE_BACK: 49,
} as const;
