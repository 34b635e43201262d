/** A context of llama.cpp: keys and values of several sequences, evaluated together in batches. */
import { Batch, BATCH_TOKENS, type BatchRow } from "./batch.ts";
import { CONTEXT_FIELDS, type LibLlama, whileHeld } from "./library.ts";
import type { NativeAdapter, NativeModel } from "./native_model.ts";
import type { ContextHandle, MemoryHandle } from "./symbols.ts";

/** llama.cpp makes the context of a sequence a multiple of this. */
const CONTEXT_MULTIPLE = 256;
const F32_BYTES = 4;
const ALL_POSITIONS = -1;
/** `enum ggml_type` of ggml.h. */
const GGML_TYPE_OF = { f16: 1, q8_0: 8 } as const;

/** How keys and values of evaluated tokens are stored. */
export type KvCacheType = keyof typeof GGML_TYPE_OF;

export interface ContextSizes {
  /** Tokens one sequence can hold, prompt and reply together. */
  contextSize: number;
  /** How many replies are generated at a time. */
  sequences: number;
  threads: number;
  /** Default: f16. */
  kvCache?: KvCacheType;
}

/** See the module. No method may be called while an evaluation runs. */
export class NativeContext implements Disposable {
  /** How many outputs one batch may have. */
  readonly maxOutputs: number;
  readonly #model: NativeModel;
  readonly #library: LibLlama;
  readonly #handle: ContextHandle;
  readonly #memory: MemoryHandle | null;
  readonly #batch = new Batch();
  /** By address: llama.cpp uses the same few places again and again. */
  readonly #logits = new Map<bigint, Float32Array<ArrayBuffer>>();
  #adapter: NativeAdapter | null = null;

  private constructor(model: NativeModel, handle: ContextHandle, { maxOutputs }: { maxOutputs: number }) {
    this.#model = model;
    this.#library = model.library;
    this.#handle = handle;
    this.#memory = model.library.llama_get_memory(handle);
    this.maxOutputs = maxOutputs;
  }

  /**
   * Reserves memory for sequences.
   *
   * @param outputs how many tokens of one batch may have their logits read, at least one for each sequence
   * @throws Error when there is not enough
   */
  static async create(
    model: NativeModel,
    options: ContextSizes & { outputs: number },
  ): Promise<NativeContext> {
    const { contextSize, sequences, threads, kvCache = "f16" } = options;
    const maxOutputs = Math.max(options.outputs, sequences);
    const params = model.library.llama_context_default_params();
    const fields = new DataView(params.buffer, params.byteOffset, params.byteLength);
    const paddedSize = Math.ceil(contextSize / CONTEXT_MULTIPLE) * CONTEXT_MULTIPLE;
    fields.setUint32(CONTEXT_FIELDS.contextTokens, paddedSize * sequences, true);
    fields.setUint32(CONTEXT_FIELDS.batchTokens, BATCH_TOKENS, true);
    fields.setUint32(CONTEXT_FIELDS.microBatchTokens, BATCH_TOKENS, true);
    fields.setUint32(CONTEXT_FIELDS.sequences, sequences, true);
    fields.setUint32(CONTEXT_FIELDS.outputs, maxOutputs, true);
    fields.setInt32(CONTEXT_FIELDS.threads, threads, true);
    fields.setInt32(CONTEXT_FIELDS.promptThreads, threads, true);
    fields.setInt32(CONTEXT_FIELDS.keyType, GGML_TYPE_OF[kvCache], true);
    fields.setInt32(CONTEXT_FIELDS.valueType, GGML_TYPE_OF[kvCache], true);
    // A full cache would let windows be trimmed, at many times the memory.
    fields.setUint8(CONTEXT_FIELDS.swaFull, 0);
    const handle = await whileHeld([params], model.library.llama_init_from_model(model.handle, params));
    if (handle === null) {
      const hint = kvCache === "f16"
        ? ""
        : `, or the model's heads do not fit ${kvCache}: KV_CACHE=f16 suits all`;
      throw new Error(`llama.cpp could not reserve the memory of its context${hint}`);
    }
    return new NativeContext(model, handle, { maxOutputs });
  }

  /** Lets the evaluations that follow use an adapter, or none. A change costs llama.cpp a new plan of its memory. */
  use(adapter: NativeAdapter | null): void {
    if (adapter === this.#adapter) return;
    const pointer = adapter === null ? 0n : Deno.UnsafePointer.value(adapter.handle);
    const [adapters, scales] = [new BigUint64Array([pointer]), new Float32Array([1])];
    const count = adapter === null ? 0n : 1n;
    if (this.#library.llama_set_adapters_lora(this.#handle, adapters, count, scales) !== 0) {
      throw new Error("llama.cpp does not take the adapter");
    }
    this.#adapter = adapter;
  }

  /** Stops using an adapter whose weights are freed next. */
  forget(adapter: NativeAdapter): void {
    if (this.#adapter === adapter) this.use(null);
  }

  /**
   * Evaluates tokens, at most `BATCH_TOKENS` of them; each one's position follows what its sequence holds.
   *
   * @param options `here`: on this thread, for what is soon done: another thread costs 8 % more CPU time a token
   * @throws Error when llama.cpp fails; the sequences of the rows must then be cleared
   */
  async decode(rows: readonly BatchRow[], { here = false } = {}): Promise<void> {
    this.#batch.fill(rows);
    const { llama_decode, llama_decode_here } = this.#library;
    const decode = here ? llama_decode_here : llama_decode;
    const status = await decode(this.#handle, this.#batch.bytes);
    if (status !== 0) throw new Error(`llama.cpp failed to evaluate ${rows.length} tokens: ${status}`);
    // A GPU still works when the call returns, and reading the logits would block this thread.
    if (this.#model.gpuLayers > 0) await this.#library.llama_synchronize(this.#handle);
  }

  /** The logits of a row of the last batch, where llama.cpp holds them: valid until the next one. */
  logits(row: number): Float32Array<ArrayBuffer> {
    const pointer = this.#library.llama_get_logits_ith(this.#handle, row);
    if (pointer === null) throw new Error("llama.cpp gave no logits");
    const address = Deno.UnsafePointer.value(pointer);
    const known = this.#logits.get(address);
    if (known !== undefined) return known;
    const bytes = F32_BYTES * this.#model.vocabularySize;
    const logits = new Float32Array(Deno.UnsafePointerView.getArrayBuffer(pointer, bytes));
    if (this.#logits.size >= this.maxOutputs) this.#logits.clear();
    this.#logits.set(address, logits);
    return logits;
  }

  /** Keeps a sequence's first tokens and forgets the others. Returns how many could be kept: those, or none. */
  keep(sequence: number, count: number): number {
    const memory = this.#memory;
    if (memory === null) return 0;
    const { llama_memory_seq_rm, llama_memory_seq_pos_min } = this.#library;
    const isTrimmed = count > 0 && llama_memory_seq_rm(memory, sequence, count, ALL_POSITIONS);
    // What has slid out of a window is gone, and would be missed.
    const firstNeeded = Math.max(0, count - this.#model.slidingWindow);
    const isWhole = this.#model.slidingWindow === 0 ||
      llama_memory_seq_pos_min(memory, sequence) <= firstNeeded;
    if (isTrimmed && isWhole) return count;
    llama_memory_seq_rm(memory, sequence, ALL_POSITIONS, ALL_POSITIONS);
    return 0;
  }

  /**
   * Gives a sequence what another one holds; its own is lost. The next evaluation begins with copying all that a sequence
   * has room for, however little of it is used.
   */
  copy(from: number, to: number): void {
    if (this.#memory === null) return;
    this.#library.llama_memory_seq_cp(this.#memory, from, to, ALL_POSITIONS, ALL_POSITIONS);
  }

  [Symbol.dispose](): void {
    this.#logits.clear();
    this.#library.llama_free(this.#handle);
  }
}
