/** A model's weights in llama.cpp's memory, and the LoRA adapters loaded for them. */
import { cText } from "../../training/ggml/ffi.ts";
import { type LibLlama, MODEL_FIELDS, whileHeld } from "./library.ts";
import type { AdapterHandle, ModelHandle } from "./symbols.ts";

const LAZY_MODE_OFF = 0;

/** Weights that stay in memory until they are disposed, which contexts and adapters on them must be before. */
export class NativeModel implements Disposable {
  readonly library: LibLlama;
  readonly handle: ModelHandle;
  /** Layers that a GPU computes; 0 without one. */
  readonly gpuLayers: number;
  /** Logits that each evaluated token yields. */
  readonly vocabularySize: number;
  /** Tokens of the longest texts that the model was trained on. */
  readonly trainContextSize: number;
  /** Tokens that a layer with sliding-window attention looks back; 0 for a model without. */
  readonly slidingWindow: number;

  private constructor(library: LibLlama, handle: ModelHandle, { gpuLayers }: { gpuLayers: number }) {
    this.library = library;
    this.handle = handle;
    this.gpuLayers = gpuLayers;
    this.vocabularySize = library.llama_vocab_n_tokens(library.llama_model_get_vocab(handle));
    this.trainContextSize = library.llama_model_n_ctx_train(handle);
    this.slidingWindow = library.llama_model_n_swa(handle);
  }

  /**
   * Loads a GGUF file; llama.cpp maps it into memory.
   *
   * @throws Error when llama.cpp cannot load it; its own log says why
   */
  static async load(
    library: LibLlama,
    { path, gpuLayers }: { path: string; gpuLayers: number },
  ): Promise<NativeModel> {
    const params = library.llama_model_default_params();
    const fields = new DataView(params.buffer, params.byteOffset, params.byteLength);
    fields.setInt32(MODEL_FIELDS.gpuLayers, gpuLayers, true);
    fields.setInt32(MODEL_FIELDS.lazyMode, LAZY_MODE_OFF, true);
    const text = cText(path);
    const handle = await whileHeld([text, params], library.llama_model_load_from_file(text, params));
    if (handle === null) throw new Error("llama.cpp could not read its weights");
    return new NativeModel(library, handle, { gpuLayers });
  }

  [Symbol.dispose](): void {
    this.library.llama_model_free(this.handle);
  }
}

/** An adapter's weights. */
export class NativeAdapter implements Disposable {
  readonly handle: AdapterHandle;
  readonly #library: LibLlama;

  private constructor(library: LibLlama, handle: AdapterHandle) {
    this.#library = library;
    this.handle = handle;
  }

  /** @throws Error when llama.cpp cannot load the file for this model */
  static async load({ library, handle }: NativeModel, path: string): Promise<NativeAdapter> {
    const text = cText(path);
    const adapter = await whileHeld([text], library.llama_adapter_lora_init(handle, text));
    if (adapter === null) throw new Error("llama.cpp could not read it");
    return new NativeAdapter(library, adapter);
  }

  /** Frees the weights; no context may use them any more. */
  [Symbol.dispose](): void {
    this.#library.llama_adapter_lora_free(this.handle);
  }
}
