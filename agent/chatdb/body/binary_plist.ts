/** Reads binary property lists (`bplist00`), the format of `message.message_summary_info`. */

/** A reference to an object of a keyed archive, by its place in `$objects`. */
export class PlistUid {
  constructor(readonly index: number) {}
}

/** A value of a property list; dates are seconds since 2001, as reals are. */
export type PlistValue = null | boolean | number | string | Uint8Array | PlistUid | PlistValue[] | PlistDict;
export type PlistDict = ReadonlyMap<string, PlistValue>;

const MAGIC = "bplist00";
const TRAILER_BYTES = 32;
const MAX_INTEGER_BYTES = 16;
/** Summaries nest four deep; the limit keeps hostile input from the stack. */
const MAX_DEPTH = 16;
/** A forged list may name one array a thousandfold in each of many; no summary has more values than this. */
const MAX_VALUES = 20_000;

/** The high half of an object's first byte. */
const TYPE = {
  simple: 0x0,
  integer: 0x1,
  real: 0x2,
  date: 0x3,
  data: 0x4,
  ascii: 0x5,
  utf16: 0x6,
  uid: 0x8,
  array: 0xa,
  dict: 0xd,
};
const SIMPLE: Record<number, PlistValue> = { 0x08: false, 0x09: true };
/** The low half of a first byte that says: an integer with the length follows. */
const LONG = 0xf;

const latin1 = new TextDecoder("latin1");
const utf16 = new TextDecoder("utf-16be");

class MalformedPlistError extends Error {
  override name = "MalformedPlistError";
}

/** The root of a binary property list. Total: null for anything else, or when it is damaged anywhere. */
export function decodePlist(bytes: Uint8Array): PlistValue {
  try {
    return new PlistReader(bytes).root();
  } catch (error) {
    if (error instanceof MalformedPlistError || error instanceof RangeError) return null;
    throw error;
  }
}

/** Reads objects by their number; every read outside the bytes is a RangeError of DataView. */
class PlistReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #offsetBytes: number;
  readonly #referenceBytes: number;
  readonly #tableAt: number;
  readonly #root: number;
  #valuesLeft = MAX_VALUES;

  constructor(bytes: Uint8Array) {
    if (latin1.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
      throw new MalformedPlistError("no bplist00");
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const trailerAt = bytes.length - TRAILER_BYTES;
    this.#offsetBytes = this.#view.getUint8(trailerAt + 6);
    this.#referenceBytes = this.#view.getUint8(trailerAt + 7);
    this.#root = this.#unsigned(trailerAt + 16, 8);
    this.#tableAt = this.#unsigned(trailerAt + 24, 8);
  }

  root(): PlistValue {
    return this.#object(this.#root, 0);
  }

  #object(number: number, depth: number): PlistValue {
    if (depth > MAX_DEPTH || this.#valuesLeft-- <= 0) {
      throw new MalformedPlistError("nested too deeply or too large");
    }
    const at = this.#unsigned(this.#tableAt + number * this.#offsetBytes, this.#offsetBytes);
    const marker = this.#view.getUint8(at);
    const [type, low] = [marker >> 4, marker & 0xf];
    switch (type) {
      case TYPE.simple:
        return SIMPLE[marker] ?? null;
      case TYPE.integer:
        return this.#integer(at + 1, 2 ** low);
      case TYPE.uid:
        return new PlistUid(this.#unsigned(at + 1, low + 1));
      case TYPE.real:
      case TYPE.date:
        return 2 ** low === 4 ? this.#view.getFloat32(at + 1) : this.#view.getFloat64(at + 1);
      default:
        return this.#sized({ type, ...this.#length(at, low), depth });
    }
  }

  #sized(
    { type, length, start, depth }: { type: number; length: number; start: number; depth: number },
  ): PlistValue {
    switch (type) {
      case TYPE.data:
        return this.#slice(start, length);
      case TYPE.ascii:
        return latin1.decode(this.#slice(start, length));
      case TYPE.utf16:
        return utf16.decode(this.#slice(start, length * 2));
      case TYPE.array:
        return this.#objects(start, { length, depth });
      case TYPE.dict: {
        const keys = this.#objects(start, { length, depth });
        const values = this.#objects(start + length * this.#referenceBytes, { length, depth });
        return new Map(keys.map((key, index) => [String(key), values[index] ?? null]));
      }
      default:
        return null;
    }
  }

  #objects(start: number, { length, depth }: { length: number; depth: number }): PlistValue[] {
    if (length > this.#valuesLeft) throw new MalformedPlistError("more values than a summary has");
    return Array.from({ length }, (_, index) => {
      const number = this.#unsigned(start + index * this.#referenceBytes, this.#referenceBytes);
      return this.#object(number, depth + 1);
    });
  }

  /** The length of an object and where its contents begin. */
  #length(at: number, low: number): { length: number; start: number } {
    if (low !== LONG) return { length: low, start: at + 1 };
    const sizeBytes = 2 ** (this.#view.getUint8(at + 1) & 0xf);
    return { length: this.#unsigned(at + 2, sizeBytes), start: at + 2 + sizeBytes };
  }

  #slice(start: number, lengthBytes: number): Uint8Array {
    if (start + lengthBytes > this.#bytes.length) throw new MalformedPlistError("a length past the end");
    return this.#bytes.subarray(start, start + lengthBytes);
  }

  /** Only integers of eight bytes have a sign. */
  #integer(at: number, sizeBytes: number): number {
    return sizeBytes === 8 ? Number(this.#view.getBigInt64(at)) : this.#unsigned(at, sizeBytes);
  }

  #unsigned(at: number, sizeBytes: number): number {
    if (sizeBytes > MAX_INTEGER_BYTES) throw new MalformedPlistError("an integer of a length none has");
    let value = 0;
    for (let index = 0; index < sizeBytes; index++) value = value * 256 + this.#view.getUint8(at + index);
    return value;
  }
}
