/** Reads the bytes, integers, floats and strings of a typedstream, never past its end. */

/** First bytes with a meaning of their own; all others are small integers (imessage-chatdb docs/TYPEDSTREAM.md §2.1). */
export const HEAD = {
  INTEGER_2: 0x81,
  INTEGER_4: 0x82,
  FLOAT: 0x83,
  NEW: 0x84,
  NIL: 0x85,
  END_OF_OBJECT: 0x86,
} as const;

/** Heads from here to 0xff are numbers again, as are those below 0x80. */
const FIRST_AFTER_TAGS = 0x92;

/** How many bytes after a head carry its integer: 0 when the head is the value, -1 when it starts no integer. */
export function integerWidth(head: number): 0 | 2 | 4 | -1 {
  if (head < 0x80 || head >= FIRST_AFTER_TAGS) return 0;
  return head === HEAD.INTEGER_2 ? 2 : head === HEAD.INTEGER_4 ? 4 : -1;
}

/** The unsigned integer whose head stands at `headAt`; the caller has checked that it is one and lies inside. */
export function unsignedAt(bytes: Uint8Array, headAt: number): number {
  const head = bytes[headAt] ?? 0;
  const widthBytes = integerWidth(head);
  if (widthBytes <= 0) return head;
  let value = 0;
  for (let i = headAt + widthBytes; i > headAt; i--) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

/** Streamer 4, little-endian, system 1000: the header of every body (imessage-chatdb docs/TYPEDSTREAM.md §1). */
const HEADER = Uint8Array.from("\x04\x0bstreamtyped\x81\xe8\x03", (char) => char.charCodeAt(0));

/** The bytes do not follow the grammar; caught inside agent/chatdb, never seen by its callers. */
export class MalformedTypedstreamError extends Error {
  override name = "MalformedTypedstreamError";
}

/** A place in the bytes. Each step consumes at least one byte or throws `MalformedTypedstreamError`. */
export class TypedstreamCursor {
  readonly #bytes: Uint8Array;
  #position = 0;

  /** At the first byte after the header. @throws MalformedTypedstreamError when the bytes do not begin with it */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (const expected of HEADER) {
      if (this.byte() !== expected) throw new MalformedTypedstreamError("no typedstream header");
    }
  }

  /** The integer whose head has been read. */
  unsigned(head: number): number {
    if (head < 0x80) return head;
    const widthBytes = integerWidth(head);
    if (widthBytes === -1) throw new MalformedTypedstreamError("a tag where a number belongs");
    return unsignedAt(this.#bytes, this.#advance(widthBytes) - 1);
  }

  /** The same as a signed integer of its width. */
  signed(head: number): number {
    const spareBits = 32 - 8 * (integerWidth(head) || 1);
    return this.unsigned(head) << spareBits >> spareBits;
  }

  float(sizeBytes: 4 | 8): number {
    const head = this.byte();
    if (head !== HEAD.FLOAT) return this.signed(head);
    const { buffer, byteOffset } = this.slice(sizeBytes);
    const view = new DataView(buffer, byteOffset, sizeBytes);
    return sizeBytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  /** Type strings and class names are ASCII and short: calling TextDecoder for each took half of the time. */
  latin1(lengthBytes: number): string {
    const start = this.#advance(lengthBytes);
    let string = "";
    for (let i = start; i < start + lengthBytes; i++) string += String.fromCharCode(this.#bytes[i] ?? 0);
    return string;
  }

  byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new MalformedTypedstreamError("the archive ends too early");
    this.#position++;
    return byte;
  }

  slice(lengthBytes: number): Uint8Array {
    const start = this.#advance(lengthBytes);
    return this.#bytes.subarray(start, start + lengthBytes);
  }

  /** Moves past `lengthBytes` and returns where they began. */
  #advance(lengthBytes: number): number {
    const start = this.#position;
    if (start + lengthBytes > this.#bytes.length) {
      throw new MalformedTypedstreamError("a length that runs past the end");
    }
    this.#position = start + lengthBytes;
    return start;
  }
}
