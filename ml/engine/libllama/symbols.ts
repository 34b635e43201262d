/** Declares libllama to Deno's FFI: typed pointers, structs as the pinned release lays them out, and the functions called. */

/** `struct llama_model *` */
export type ModelHandle = Deno.PointerObject<"llama_model">;
/** `struct llama_context *` */
export type ContextHandle = Deno.PointerObject<"llama_context">;
/** `struct llama_adapter_lora *` */
export type AdapterHandle = Deno.PointerObject<"llama_adapter_lora">;
/** `struct llama_vocab *` */
export type VocabularyHandle = Deno.PointerObject<"llama_vocab">;
/** `llama_memory_t`: the keys and values of a context. */
export type MemoryHandle = Deno.PointerObject<"llama_memory">;
/** `struct llama_sampler *` */
export type SamplerHandle = Deno.PointerObject<"llama_sampler">;

const model = "pointer" as Deno.NativeTypedPointer<ModelHandle>;
const context = "pointer" as Deno.NativeTypedPointer<ContextHandle>;
const adapter = "pointer" as Deno.NativeTypedPointer<AdapterHandle>;
const vocabulary = "pointer" as Deno.NativeTypedPointer<VocabularyHandle>;
const memory = "pointer" as Deno.NativeTypedPointer<MemoryHandle>;
const sampler = "pointer" as Deno.NativeTypedPointer<SamplerHandle>;
/** A C string passed in: bytes with a closing zero. */
const text = "buffer";

/** `struct llama_model_params`, 80 bytes. */
const MODEL_PARAMS = {
  // deno-fmt-ignore
  struct: [
    "pointer", "pointer", "i32", "i32", "i32", "i32", "i32", "pointer", "pointer", "pointer", "pointer",
    "u8", "u8", "u8", "u8", "u8", "u8",
  ],
} as const;

/** `struct llama_context_params`, 160 bytes. */
const CONTEXT_PARAMS = {
  // deno-fmt-ignore
  struct: [
    "u32", "u32", "u32", "u32", "u32", "u32", "u32", "i32", "i32", "i32", "i32", "i32", "i32", "i32",
    "f32", "f32", "f32", "f32", "f32", "f32", "u32", "f32", "pointer", "pointer", "i32", "i32", "pointer", "pointer",
    "u8", "u8", "u8", "u8", "u8", "u8", "pointer", "usize", "pointer",
  ],
} as const;

/** `llama_batch`, 56 bytes: a count, and pointers to tokens, embeddings, positions, sequences and wanted outputs. */
const BATCH = {
  struct: ["i32", "pointer", "pointer", "pointer", "pointer", "pointer", "pointer"],
} as const;

/** Of `libggml-base`: which release it is. */
export const GGML_SYMBOLS = {
  ggml_version: { parameters: [], result: "pointer" },
  ggml_commit: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Of `libllama`. What takes long does not block the thread that calls it, but for `llama_decode_here`. */
export const LLAMA_SYMBOLS = {
  llama_model_default_params: { parameters: [], result: MODEL_PARAMS },
  llama_context_default_params: { parameters: [], result: CONTEXT_PARAMS },
  llama_model_load_from_file: { parameters: [text, MODEL_PARAMS], result: model, nonblocking: true },
  llama_model_free: { parameters: [model], result: "void" },
  llama_model_n_ctx_train: { parameters: [model], result: "i32" },
  llama_model_n_swa: { parameters: [model], result: "i32" },
  llama_model_get_vocab: { parameters: [model], result: vocabulary },
  llama_vocab_n_tokens: { parameters: [vocabulary], result: "i32" },

  llama_init_from_model: { parameters: [model, CONTEXT_PARAMS], result: context, nonblocking: true },
  llama_free: { parameters: [context], result: "void" },
  llama_decode: { parameters: [context, BATCH], result: "i32", nonblocking: true },
  llama_decode_here: { name: "llama_decode", parameters: [context, BATCH], result: "i32" },
  llama_synchronize: { parameters: [context], result: "void", nonblocking: true },
  llama_get_logits_ith: { parameters: [context, "i32"], result: "pointer" },
  llama_get_memory: { parameters: [context], result: memory },
  llama_memory_seq_rm: { parameters: [memory, "i32", "i32", "i32"], result: "bool" },
  llama_memory_seq_cp: { parameters: [memory, "i32", "i32", "i32", "i32"], result: "void" },
  llama_memory_seq_pos_min: { parameters: [memory, "i32"], result: "i32" },

  llama_adapter_lora_init: { parameters: [model, text], result: adapter, nonblocking: true },
  llama_adapter_lora_free: { parameters: [adapter], result: "void" },
  llama_sampler_init_grammar: { parameters: [vocabulary, text, text], result: sampler },
  llama_sampler_apply: { parameters: [sampler, "buffer"], result: "void" },
  llama_sampler_accept: { parameters: [sampler, "i32"], result: "void" },
  llama_sampler_free: { parameters: [sampler], result: "void" },

  llama_set_adapters_lora: { parameters: [context, "buffer", "usize", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;
