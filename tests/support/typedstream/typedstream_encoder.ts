/**
 * Writes NSAttributedString typedstreams, the format of `message.attributedBody`, independently of the agent's decoder.
 *
 * Grammar: a header, then type-prefixed values. Type encodings and class names live in one shared string table,
 * objects, classes and C strings in another; a second use of either is a reference. Foundation's NSArchiver is the
 * source of the layout; `node-typedstream` reads it back in the tests.
 */

/** What an attribute may hold: NSString, NSNumber (a 32-bit `i`, or `c` for a boolean), NSData, NSURL. */
export type AttributeValue = string | number | boolean | Uint8Array | URL;

/** The attributes of one run, by Apple's key. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A piece of text with one set of attributes. */
export interface AttributedRun {
  text: string;
  attributes: Attributes;
}

/** How a string length is written: as Foundation does, or in a wider legal form. */
export type LengthForm = "shortest" | "two_bytes" | "four_bytes";

export interface EncodeOptions {
  /** NSMutableAttributedString instead of NSAttributedString; 29 % of real bodies. */
  mutable?: boolean;
  /** Form of the text's length; the default is the shortest, as Foundation writes it. */
  lengthForm?: LengthForm;
}

const STREAMER_VERSION = 4;
const SYSTEM_VERSION = 1000;
const SIGNATURE = "streamtyped";
const TAG_INT16 = 0x81;
const TAG_INT32 = 0x82;
const TAG_NEW = 0x84;
const TAG_NIL = 0x85;
const TAG_END = 0x86;
/** References count up from here, as signed bytes. */
const FIRST_REFERENCE = -110;

/** Class chains from the class to its root, with NSArchiver's version numbers. */
const CLASS_CHAINS = {
  NSAttributedString: [["NSAttributedString", 0], ["NSObject", 0]],
  NSMutableAttributedString: [["NSMutableAttributedString", 0], ["NSAttributedString", 0], ["NSObject", 0]],
  NSString: [["NSString", 1], ["NSObject", 0]],
  NSMutableString: [["NSMutableString", 1], ["NSString", 1], ["NSObject", 0]],
  NSDictionary: [["NSDictionary", 0], ["NSObject", 0]],
  NSNumber: [["NSNumber", 0], ["NSValue", 0], ["NSObject", 0]],
  NSData: [["NSData", 0], ["NSObject", 0]],
  NSURL: [["NSURL", 0], ["NSObject", 0]],
} as const satisfies Record<string, readonly (readonly [string, number])[]>;

type ClassName = keyof typeof CLASS_CHAINS;

const utf8 = new TextEncoder();

/** UTF-8 of class names, type encodings and attribute keys, which every body repeats. */
const encodedNames = new Map<string, Uint8Array>();

function encodeName(name: string): Uint8Array {
  const known = encodedNames.get(name);
  if (known) return known;
  const bytes = utf8.encode(name);
  if (encodedNames.size < 1_000) encodedNames.set(name, bytes);
  return bytes;
}

/**
 * The typedstream of an attributed string made of `runs`. Runs with equal attributes share one dictionary, as in
 * Foundation; runs without text are left out. No runs at all is the empty string.
 */
export function encodeAttributedString(
  runs: readonly AttributedRun[],
  options: EncodeOptions = {},
): Uint8Array {
  const text = runs.map((run) => run.text).join("");
  const stream = new TypedStream(text.length * 3 + 512);
  stream.type("@");
  stream.object(options.mutable ? "NSMutableAttributedString" : "NSAttributedString", () => {
    stream.type("@");
    stream.object(options.mutable ? "NSMutableString" : "NSString", () => {
      stream.type("+");
      stream.bytes(utf8.encode(text), options.lengthForm);
    });
    writeRuns(stream, runs);
  });
  return stream.finish();
}

function writeRuns(stream: TypedStream, runs: readonly AttributedRun[]): void {
  const dictionaries = new Map<string, number>();
  for (const { text, attributes } of runs) {
    if (text === "") continue;
    const identity = runs.length > 1 ? attributesIdentity(attributes) : "only";
    const known = dictionaries.get(identity);
    stream.type("iI");
    stream.signed(known ?? dictionaries.size + 1);
    stream.unsigned(text.length);
    if (known !== undefined) continue;
    dictionaries.set(identity, dictionaries.size + 1);
    writeDictionary(stream, attributes);
  }
}

function attributesIdentity(attributes: Attributes): string {
  return JSON.stringify(
    Object.entries(attributes).map(([key, value]) => [key, value instanceof Uint8Array ? [...value] : value]),
  );
}

function writeDictionary(stream: TypedStream, attributes: Attributes): void {
  const entries = Object.entries(attributes);
  stream.type("@");
  stream.object("NSDictionary", () => {
    stream.type("i");
    stream.signed(entries.length);
    for (const [key, value] of entries) {
      writeValue(stream, key);
      writeValue(stream, value);
    }
  });
}

function writeValue(stream: TypedStream, value: AttributeValue): void {
  stream.type("@");
  if (typeof value === "string") return stream.string(value);
  if (value instanceof Uint8Array) return stream.data(value);
  if (value instanceof URL) return stream.url(value.href);
  if (typeof value === "boolean") return stream.number(Number(value), "c");
  stream.number(value, "i");
}

/** One stream being written, with its two tables. */
class TypedStream {
  #buffer: Uint8Array;
  #length = 0;
  readonly #sharedStrings = new Map<string, number>();
  /** Objects, classes and C strings that can be referred to, by an own identity key, in order of appearance. */
  readonly #objects = new Map<string, number>();
  #objectCount = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity);
    this.#byte(STREAMER_VERSION);
    this.bytes(utf8.encode(SIGNATURE));
    this.signed(SYSTEM_VERSION);
  }

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  /** A type encoding, which precedes every value. */
  type(encoding: string): void {
    this.#sharedString(encoding);
  }

  /** A new object of `className`; `writeContents` writes its type-prefixed values. */
  object(className: ClassName, writeContents: () => void): void {
    this.#byte(TAG_NEW);
    this.#objectCount++;
    this.#classChain(className);
    writeContents();
    this.#byte(TAG_END);
  }

  /** An NSString; an equal one written before is referred to. */
  string(value: string): void {
    this.#once(`string ${value}`, () =>
      this.object("NSString", () => {
        this.type("+");
        this.bytes(encodeName(value));
      }));
  }

  /** An NSNumber of C type `encoding`; an equal one written before is referred to. */
  number(value: number, encoding: "i" | "c"): void {
    this.#once(`number ${encoding} ${value}`, () =>
      this.object("NSNumber", () => {
        this.type("*");
        this.#once(`cstring ${encoding}`, () => {
          this.#byte(TAG_NEW);
          this.#objectCount++;
          this.#sharedString(encoding);
        });
        this.type(encoding);
        this.signed(value);
      }));
  }

  /** An NSData. */
  data(value: Uint8Array): void {
    this.object("NSData", () => {
      this.type("i");
      this.signed(value.length);
      this.type(`[${value.length}c]`);
      this.#raw(value);
    });
  }

  /** An absolute NSURL: no base, then its string. */
  url(href: string): void {
    this.object("NSURL", () => {
      this.type("c");
      this.#byte(0);
      this.type("@");
      this.string(href);
    });
  }

  /** A byte string with its length in front. */
  bytes(value: Uint8Array, form: LengthForm = "shortest"): void {
    if (form === "four_bytes") this.#int32(value.length);
    else if (form === "two_bytes") this.#int16(value.length);
    else this.unsigned(value.length);
    this.#raw(value);
  }

  signed(value: number): void {
    if (value >= FIRST_REFERENCE && value < 0x80) this.#byte(value);
    else if (value >= -0x8000 && value < 0x8000) this.#int16(value);
    else this.#int32(value);
  }

  unsigned(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value <= 0xffff) this.#int16(value);
    else this.#int32(value);
  }

  #classChain(className: ClassName): void {
    for (const [name, version] of CLASS_CHAINS[className]) {
      const known = this.#objects.get(`class ${name}`);
      if (known !== undefined) return this.#reference(known);
      this.#byte(TAG_NEW);
      this.#objects.set(`class ${name}`, this.#objectCount++);
      this.#sharedString(name);
      this.signed(version);
    }
    this.#byte(TAG_NIL);
  }

  /** Refers to the object of `identity`, or writes it and remembers its number. */
  #once(identity: string, write: () => void): void {
    const known = this.#objects.get(identity);
    if (known !== undefined) return this.#reference(known);
    this.#objects.set(identity, this.#objectCount);
    write();
  }

  #sharedString(value: string): void {
    const known = this.#sharedStrings.get(value);
    if (known !== undefined) return this.#reference(known);
    this.#sharedStrings.set(value, this.#sharedStrings.size);
    this.#byte(TAG_NEW);
    this.bytes(encodeName(value));
  }

  #reference(index: number): void {
    this.signed(FIRST_REFERENCE + index);
  }

  #int16(value: number): void {
    this.#byte(TAG_INT16);
    this.#byte(value);
    this.#byte(value >> 8);
  }

  #int32(value: number): void {
    this.#byte(TAG_INT32);
    for (let shift = 0; shift < 32; shift += 8) this.#byte(value >> shift);
  }

  #raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  #reserve(sizeBytes: number): void {
    if (this.#length + sizeBytes <= this.#buffer.length) return;
    const grown = new Uint8Array((this.#length + sizeBytes) * 2);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
