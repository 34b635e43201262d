/** Parses Apple's typedstream format (NSArchiver), as far as message bodies use it. */
import { type ArchivedClass, ArchivedObject, type ArchivedValue } from "./archived_object.ts";
import { HEAD, MalformedTypedstreamError, TypedstreamCursor } from "./typedstream_bytes.ts";

/** A reference is stored as its index less 110 (0x92 read as a signed byte). */
const REFERENCE_BIAS = 110;
/** Deepest nesting seen in 20,783 bodies is 10; the limit keeps hostile input from the stack. */
const MAX_DEPTH = 64;

/**
 * Reads one archive front to back. Every step consumes at least one byte or throws
 * `MalformedTypedstreamError`, and references are table look-ups, so reading is linear in the input.
 */
export class TypedstreamReader {
  readonly #cursor: TypedstreamCursor;
  /** Type strings, class names and C-string bodies, in the order they were written. */
  readonly #strings: string[] = [];
  /** Objects, classes and C strings, in the order they were begun. */
  readonly #objects: (ArchivedObject | ArchivedClass | string)[] = [];

  /** @throws MalformedTypedstreamError when the bytes do not begin with the header of a typedstream. */
  constructor(bytes: Uint8Array) {
    this.#cursor = new TypedstreamCursor(bytes);
  }

  /** The type string that opens a group, such as `@` or `iI`. */
  readType(): string {
    return this.#sharedString(this.#cursor.byte());
  }

  /** The value of a `+` group: length in bytes, then the bytes; `null` for nil. */
  readBytes(): Uint8Array | null {
    const head = this.#cursor.byte();
    if (head === HEAD.NIL) return null;
    return this.#cursor.slice(this.#cursor.unsigned(head));
  }

  /** Begins a literal object: its slot, its class; the cursor is left at its first group. */
  beginObject(): ArchivedObject {
    if (this.#cursor.byte() !== HEAD.NEW) throw new MalformedTypedstreamError("an object was expected");
    return this.#newObject();
  }

  /** Reads all groups up to the end of the object into its fields. */
  readFields(object: ArchivedObject, depth = 0): void {
    for (let head = this.#cursor.byte(); head !== HEAD.END_OF_OBJECT; head = this.#cursor.byte()) {
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
        return this.#cursor.signed(this.#cursor.byte());
      case "I":
      case "Q":
      case "S":
      case "L":
        return this.#cursor.unsigned(this.#cursor.byte());
      case "c":
        return this.#cursor.byte() << 24 >> 24;
      case "C":
      case "B":
        return this.#cursor.byte();
      case "f":
      case "d":
        return this.#cursor.float(type === 0x66 ? 4 : 8);
      case "*":
        return this.#cString();
      case ":":
      case "%":
        return this.#sharedString(this.#cursor.byte());
      case "#":
        return this.#class();
      default:
        throw new MalformedTypedstreamError("a value of a type no message body uses");
    }
  }

  #object(depth: number): ArchivedObject | null {
    const head = this.#cursor.byte();
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
    let head = this.#cursor.byte();
    for (; head === HEAD.NEW; head = this.#cursor.byte()) {
      const next: ArchivedClass = { name: this.#sharedString(this.#cursor.byte()), superclass: null };
      this.#cursor.signed(this.#cursor.byte()); // class version
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
    const head = this.#cursor.byte();
    if (head === HEAD.NIL) return null;
    if (head === HEAD.NEW) {
      const string = this.#sharedString(this.#cursor.byte());
      this.#objects.push(string);
      return string;
    }
    const target = this.#reference(head);
    if (typeof target !== "string") throw new MalformedTypedstreamError("a reference to no C string");
    return target;
  }

  #sharedString(head: number): string {
    if (head === HEAD.NEW) {
      const string = this.#cursor.latin1(this.#cursor.unsigned(this.#cursor.byte()));
      this.#strings.push(string);
      return string;
    }
    const string = this.#strings[this.#cursor.signed(head) + REFERENCE_BIAS];
    if (string === undefined) throw new MalformedTypedstreamError("a reference to no string");
    return string;
  }

  #reference(head: number): ArchivedObject | ArchivedClass | string {
    const target = this.#objects[this.#cursor.signed(head) + REFERENCE_BIAS];
    if (target === undefined) throw new MalformedTypedstreamError("a reference past the end of the table");
    return target;
  }

  /** `[Nc]`: N raw bytes, the payload of NSData. Other element types are never archived in a body. */
  #byteArray(type: string): Uint8Array {
    const count = /^\[(\d{1,9})[cC]\]$/.exec(type)?.[1];
    if (count === undefined) throw new MalformedTypedstreamError("an array of something other than bytes");
    return this.#cursor.slice(Number(count));
  }
}
