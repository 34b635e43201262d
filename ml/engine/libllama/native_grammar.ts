/** Holds a reply to a grammar, by llama.cpp's own sampler of grammars on the logits of our loop. */
import { cText } from "../../training/ggml/ffi.ts";
import type { SampledToken, SamplingOptions } from "../sampling.ts";
import { logProbability, sampleLogits } from "./logits.ts";
import type { NativeModel } from "./native_model.ts";
import type { SamplerHandle } from "./symbols.ts";

/** `llama_token_data`: a token, its logit and its probability, 32 bits each. */
const ENTRY_BYTES = 12;
const LOGIT_OFFSET = 4;
/** `llama_token_data_array`: pointer, count, selected, sorted. */
const ARRAY_BYTES = 32;
const COUNT_OFFSET = 8;
const SELECTED_OFFSET = 16;

/** One reply's place in a grammar. */
export class NativeGrammar implements Disposable {
  readonly #model: NativeModel;
  readonly #handle: SamplerHandle;

  private constructor(model: NativeModel, handle: SamplerHandle) {
    this.#model = model;
    this.#handle = handle;
  }

  /**
   * Begins a grammar in llama.cpp's notation, at its rule `root`.
   *
   * @returns null when llama.cpp cannot read it
   */
  static begin(model: NativeModel, grammar: string): NativeGrammar | null {
    const { library } = model;
    const vocabulary = library.llama_model_get_vocab(model.handle);
    const handle = library.llama_sampler_init_grammar(vocabulary, cText(grammar), cText("root"));
    return handle === null ? null : new NativeGrammar(model, handle);
  }

  /** Whether a token may come next. */
  allows(token: number): boolean {
    return this.#apply([token], [0])[0] !== -Infinity;
  }

  /** A copy of logits in which each token that may not come next has none. */
  masked(logits: Float32Array): Float32Array<ArrayBuffer> {
    return this.#apply(logits.keys(), logits);
  }

  /** Goes on behind a token, which must be allowed and end no reply. */
  accept(token: number): void {
    this.#model.library.llama_sampler_accept(this.#handle, token);
  }

  [Symbol.dispose](): void {
    this.#model.library.llama_sampler_free(this.#handle);
  }

  #apply(tokens: Iterable<number>, logits: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const entries = new DataView(new ArrayBuffer(ENTRY_BYTES * logits.length));
    let offset = 0;
    for (const token of tokens) {
      entries.setInt32(offset, token, true);
      entries.setFloat32(offset + LOGIT_OFFSET, logits[offset / ENTRY_BYTES] ?? NaN, true);
      offset += ENTRY_BYTES;
    }
    const array = new DataView(new ArrayBuffer(ARRAY_BYTES));
    array.setBigUint64(0, Deno.UnsafePointer.value(Deno.UnsafePointer.of(entries)), true);
    array.setBigUint64(COUNT_OFFSET, BigInt(logits.length), true);
    array.setBigInt64(SELECTED_OFFSET, -1n, true);
    this.#model.library.llama_sampler_apply(this.#handle, new Uint8Array(array.buffer));
    return Float32Array.from(
      logits,
      (_, index) => entries.getFloat32(index * ENTRY_BYTES + LOGIT_OFFSET, true),
    );
  }
}

/**
 * Chooses the next token among those that a grammar allows: as without it where that is one of them, and otherwise again
 * among them alone, as llama.cpp does. Its probability is the model's own.
 *
 * @param options `isMisplaced`: tokens that must not come whatever the grammar says of their text
 * @returns null where nothing can follow
 */
export function sampleWithin<Id extends number>(
  grammar: NativeGrammar,
  logits: Float32Array,
  { isMisplaced, ...options }: Omit<SamplingOptions<Id>, "bestLogit"> & {
    isMisplaced: (token: Id) => boolean;
  },
): SampledToken<Id> | null {
  const free = sampleLogits(logits, options);
  if (!isMisplaced(free.token) && grammar.allows(free.token)) return free;
  const masked = grammar.masked(logits);
  while (masked.some((logit) => logit > -Infinity)) {
    const { token } = sampleLogits(masked, options);
    if (!isMisplaced(token)) return { token, probability: Math.exp(logProbability(logits, token)) };
    masked[token] = -Infinity;
  }
  return null;
}
