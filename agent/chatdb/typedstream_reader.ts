/** Owns the grammar of Apple's typedstream (NSArchiver), as far as message bodies use it. */
import { type ArchivedClass, ArchivedObject, type ArchivedValue } from "./archived_object.ts";
import { HEAD, integerWidth, unsignedAt } from "./typedstream_head.ts";

/** Streamer 4, little-endian, system 1000: the header of every body (imessage-chatdb docs/TYPEDSTREAM.md §1). */
const HEADER = Uint8Array.from("\x04\x0bstreamtyped\x81\xe8\x03", (char) => char.charCodeAt(0));

/** A reference is stored as its index less 110 (0x92 read as a signed byte). */
const REFERENCE_BIAS = 110;
/** Deepest nesting seen in 20,783 bodies is 10; the limit keeps hostile input from the stack. */
const MAX_DEPTH = 64;

/** The bytes do not follow the grammar; caught inside agent/chatdb, never seen by its callers. */
export class MalformedTypedstreamError extends Error {
  override name = "MalformedTypedstreamError";
}

/**
 * Reads one archive front to back. Every step consumes at least one byte or throws
 * `MalformedTypedstreamError`, and references are table look-ups, so reading is linear in the input.
 */
export class TypedstreamReader {
  readonly #bytes: Uint8Array;
  #position = 0;
  /** Type strings, class names and C-string bodies, in the order they were written. */
  readonly #strings: string[] = [];
  /** Objects, classes and C strings, in the order they were begun. */
  readonly #objects: (ArchivedObject | ArchivedClass | string)[] = [];

  /** @throws MalformedTypedstreamError when the bytes do not begin with the header of a typedstream. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (const expected of HEADER) {
      if (this.#byte() !== expected) throw new MalformedTypedstreamError("no typedstream header");
    }
  }

  /** The type string that opens a group, such as `@` or `iI`. */
  readType(): string {
    return this.#sharedString(this.#byte());
  }

  /** The value of a `+` group: length in bytes, then the bytes; `null` for nil. */
  readBytes(): Uint8Array | null {
    const head = this.#byte();
    if (head === HEAD.NIL) return null;
    return this.#slice(this.#unsigned(head));
  }

  /** Begins a literal object: its slot, its class; the cursor is left at its first group. */
  beginObject(): ArchivedObject {
    if (this.#byte() !== HEAD.NEW) throw new MalformedTypedstreamError("an object was expected");
    return this.#newObject();
  }

  /** Reads all groups up to the end of the object into its fields. */
  readFields(object: ArchivedObject, depth = 0): void {
    for (let head = this.#byte(); head !== HEAD.END_OF_OBJECT; head = this.#byte()) {
      const types = this.#sharedString(head);
      for (let i = 0; i < types.length; i++) {
        if (types[i] === "[") {
          object.fields.push(this.#byteArray(types.slice(i)));
          break;
        }
        object.fields.push(this.#value(types.charCodeAt(i), depth));
      }
    }
  }

  #value(type: number, depth: number): ArchivedValue {
    switch (String.fromCharCode(type)) {
      case "@":
        return this.#object(depth);
      case "+":
        return this.readBytes();
      case "i":
      case "q":
      case "s":
      case "l":
        return this.#signed(this.#byte());
      case "I":
      case "Q":
      case "S":
      case "L":
        return this.#unsigned(this.#byte());
      case "c":
        return this.#byte() << 24 >> 24;
      case "C":
      case "B":
        return this.#byte();
      case "f":
      case "d":
        return this.#float(type === 0x66 ? 4 : 8);
      case "*":
        return this.#cString();
      case ":":
      case "%":
        return this.#sharedString(this.#byte());
      case "#":
        return this.#class();
      default:
        throw new MalformedTypedstreamError("a value of a type no message body uses");
    }
  }

  #object(depth: number): ArchivedObject | null {
    const head = this.#byte();
    if (head === HEAD.NIL) return null;
    if (head !== HEAD.NEW) {
      const target = this.#reference(head);
      if (!(target instanceof ArchivedObject)) {
        throw new MalformedTypedstreamError("a reference to no object");
      }
      return target;
    }
    if (depth >= MAX_DEPTH) throw new MalformedTypedstreamError("objects nested too deeply");
    const object = this.#newObject();
    this.readFields(object, depth + 1);
    return object;
  }

  #newObject(): ArchivedObject {
    const object = new ArchivedObject();
    this.#objects.push(object); // the slot precedes those of its classes
    object.archivedClass = this.#class();
    return object;
  }

  /** Most derived class first; the chain ends with nil (a root class) or a reference to a class already written. */
  #class(): ArchivedClass | null {
    let first: ArchivedClass | null = null;
    let last: ArchivedClass | null = null;
    let head = this.#byte();
    for (; head === HEAD.NEW; head = this.#byte()) {
      const next: ArchivedClass = { name: this.#sharedString(this.#byte()), superclass: null };
      this.#signed(this.#byte()); // class version
      this.#objects.push(next);
      if (last === null) first = next;
      else last.superclass = next;
      last = next;
    }
    if (head === HEAD.NIL) return first;
    const target = this.#reference(head);
    if (typeof target === "string" || target instanceof ArchivedObject) {
      throw new MalformedTypedstreamError("a reference to no class");
    }
    if (last === null) return target;
    last.superclass = target;
    return first;
  }

  #cString(): string | null {
    const head = this.#byte();
    if (head === HEAD.NIL) return null;
    if (head === HEAD.NEW) {
      const string = this.#sharedString(this.#byte());
      this.#objects.push(string);
      return string;
    }
    const target = this.#reference(head);
    if (typeof target !== "string") throw new MalformedTypedstreamError("a reference to no C string");
    return target;
  }

  #sharedString(head: number): string {
    if (head === HEAD.NEW) {
      const length = this.#unsigned(this.#byte());
      const string = this.#latin1(this.#advance(length), length);
      this.#strings.push(string);
      return string;
    }
    const string = this.#strings[this.#signed(head) + REFERENCE_BIAS];
    if (string === undefined) throw new MalformedTypedstreamError("a reference to no string");
    return string;
  }

  #reference(head: number): ArchivedObject | ArchivedClass | string {
    const target = this.#objects[this.#signed(head) + REFERENCE_BIAS];
    if (target === undefined) throw new MalformedTypedstreamError("a reference past the end of the table");
    return target;
  }

  /** `[Nc]`: N raw bytes, the payload of NSData. Other element types are never archived in a body. */
  #byteArray(type: string): Uint8Array {
    const count = /^\[(\d{1,9})[cC]\]$/.exec(type)?.[1];
    if (count === undefined) throw new MalformedTypedstreamError("an array of something other than bytes");
    return this.#slice(Number(count));
  }

  #unsigned(head: number): number {
    if (head < 0x80) return head;
    const widthBytes = integerWidth(head);
    if (widthBytes === -1) throw new MalformedTypedstreamError("a tag where a number belongs");
    return unsignedAt(this.#bytes, this.#advance(widthBytes) - 1);
  }

  #signed(head: number): number {
    const spareBits = 32 - 8 * (integerWidth(head) || 1);
    return this.#unsigned(head) << spareBits >> spareBits;
  }

  #float(sizeBytes: 4 | 8): number {
    const head = this.#byte();
    if (head !== HEAD.FLOAT) return this.#signed(head);
    const { buffer, byteOffset } = this.#slice(sizeBytes);
    const view = new DataView(buffer, byteOffset, sizeBytes);
    return sizeBytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  /** Type strings and class names are ASCII and short: a call of TextDecoder for each took half of all the time. */
  #latin1(start: number, length: number): string {
    let string = "";
    for (let i = start; i < start + length; i++) string += String.fromCharCode(this.#bytes[i] ?? 0);
    return string;
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new MalformedTypedstreamError("the archive ends too early");
    this.#position++;
    return byte;
  }

  #slice(lengthBytes: number): Uint8Array {
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
