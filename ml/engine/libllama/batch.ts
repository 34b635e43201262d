/** A batch of tokens as llama.cpp takes it: arrays of tokens, positions and sequences. */

/** Tokens evaluated at a time at most. */
export const BATCH_TOKENS = 512;
const BATCH_BYTES = 56;

/** A token to evaluate. */
export interface BatchRow {
  sequence: number;
  token: number;
  position: number;
  /** Whether its logits are read afterwards. */
  wanted: boolean;
}

function addressOf(
  array: Int32Array<ArrayBuffer> | Int8Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>,
): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(array));
}

/** The arrays behind a `llama_batch`, which are filled for each evaluation. */
export class Batch {
  readonly bytes = new Uint8Array(BATCH_BYTES);
  readonly #fields = new DataView(this.bytes.buffer);
  readonly #tokens = new Int32Array(BATCH_TOKENS);
  readonly #positions = new Int32Array(BATCH_TOKENS);
  readonly #sequenceCounts = new Int32Array(BATCH_TOKENS).fill(1);
  readonly #sequences = new Int32Array(BATCH_TOKENS);
  readonly #sequencePointers = new BigUint64Array(BATCH_TOKENS);
  readonly #wanted = new Int8Array(BATCH_TOKENS);

  constructor() {
    const first = addressOf(this.#sequences);
    for (const index of this.#sequencePointers.keys()) {
      this.#sequencePointers[index] = first + BigInt(Int32Array.BYTES_PER_ELEMENT * index);
    }
    const noEmbeddings = 0n;
    const pointers = [
      addressOf(this.#tokens),
      noEmbeddings,
      addressOf(this.#positions),
      addressOf(this.#sequenceCounts),
      addressOf(this.#sequencePointers),
      addressOf(this.#wanted),
    ];
    for (const [index, pointer] of pointers.entries()) {
      this.#fields.setBigUint64(8 * (index + 1), pointer, true);
    }
  }

  fill(rows: readonly BatchRow[]): void {
    this.#fields.setInt32(0, rows.length, true);
    for (const [index, { token, position, sequence, wanted }] of rows.entries()) {
      this.#tokens[index] = token;
      this.#positions[index] = position;
      this.#sequences[index] = sequence;
      this.#wanted[index] = wanted ? 1 : 0;
    }
  }
}
