/** Writes binary property lists (`bplist00`), the format of `message.message_summary_info`. */

/** A property list value; integers are numbers without a fraction, `Real` forces a float, as `ec[].d` is. */
export type PlistValue = string | number | boolean | Real | Uid | Uint8Array | readonly PlistValue[] | {
  readonly [key: string]: PlistValue;
};

/** A number stored as a 64-bit float even when it has no fraction. */
export class Real {
  constructor(readonly value: number) {}
}

/** A reference to an object of a keyed archive, by its place in `$objects`. */
export class Uid {
  constructor(readonly index: number) {}
}

const MAGIC = new TextEncoder().encode("bplist00");
const MARKER = {
  false: 0x08,
  true: 0x09,
  int: 0x10,
  real: 0x23,
  data: 0x40,
  ascii: 0x50,
  utf16: 0x60,
  uid: 0x80,
  array: 0xa0,
  dict: 0xd0,
};
const OFFSET_BYTES = 4;
const REFERENCE_BYTES = 2;
const TRAILER_BYTES = 32;

/** The binary property list of `root`. */
export function encodePlist(root: PlistValue): Uint8Array {
  const objects: Uint8Array[] = [];
  addObject(objects, root);
  const bodies = concat(objects);
  const table = new DataView(new ArrayBuffer(objects.length * OFFSET_BYTES));
  let offset = MAGIC.length;
  for (const [index, object] of objects.entries()) {
    table.setUint32(index * OFFSET_BYTES, offset);
    offset += object.length;
  }
  const trailer = new DataView(new ArrayBuffer(TRAILER_BYTES));
  trailer.setUint8(6, OFFSET_BYTES);
  trailer.setUint8(7, REFERENCE_BYTES);
  trailer.setBigUint64(8, BigInt(objects.length));
  trailer.setBigUint64(24, BigInt(offset));
  return concat([MAGIC, bodies, new Uint8Array(table.buffer), new Uint8Array(trailer.buffer)]);
}

/**
 * The archive that NSKeyedArchiver makes of a value, as `message.payload_data` holds it. Maps become NSDictionary, URLs
 * NSURL, and a record an object of its own with these fields.
 */
export function encodeKeyedArchive(root: ArchivedValue): Uint8Array {
  const objects: PlistValue[] = ["$null"];
  const add = (value: ArchivedValue): Uid => {
    const uid = new Uid(objects.push("") - 1);
    objects[uid.index] = archivedObject(value, add);
    return uid;
  };
  return encodePlist({
    $version: 100_000,
    $archiver: "NSKeyedArchiver",
    $top: { root: add(root) },
    $objects: objects,
  });
}

export type ArchivedValue = string | number | URL | ReadonlyMap<string, ArchivedValue> | {
  readonly [field: string]: ArchivedValue;
};

function archivedObject(value: ArchivedValue, add: (value: ArchivedValue) => Uid): PlistValue {
  if (typeof value === "string" || typeof value === "number") return value;
  if (value instanceof URL) return { "NS.base": new Uid(0), "NS.relative": add(value.href) };
  if (value instanceof Map) {
    return { "NS.keys": [...value.keys()].map(add), "NS.objects": [...value.values()].map(add) };
  }
  return Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, add(inner)]));
}

/** Appends `value` and what it holds to `objects`; returns its number. */
function addObject(objects: Uint8Array[], value: PlistValue): number {
  const number = objects.push(new Uint8Array()) - 1;
  objects[number] = encodeObject(objects, value);
  return number;
}

function encodeObject(objects: Uint8Array[], value: PlistValue): Uint8Array {
  if (typeof value === "boolean") return Uint8Array.of(value ? MARKER.true : MARKER.false);
  if (typeof value === "number") return encodeInteger(value);
  if (typeof value === "string") return encodeString(value);
  if (value instanceof Uid) return Uint8Array.of(MARKER.uid | 1, value.index >> 8, value.index & 0xff);
  if (value instanceof Real) return encodeReal(value.value);
  if (value instanceof Uint8Array) return concat([head(MARKER.data, value.length), value]);
  if (Array.isArray(value)) {
    const items = value.map((item: PlistValue) => addObject(objects, item));
    return concat([head(MARKER.array, items.length), references(items)]);
  }
  const entries = Object.entries(value);
  const keys = entries.map(([key]) => addObject(objects, key));
  const values = entries.map(([, item]) => addObject(objects, item));
  return concat([head(MARKER.dict, entries.length), references(keys), references(values)]);
}

/** A marker byte with its count; from 15 on, the count follows as an integer object. */
function head(marker: number, count: number): Uint8Array {
  return count < 15
    ? Uint8Array.of(marker | count)
    : concat([Uint8Array.of(marker | 15), encodeInteger(count)]);
}

function encodeInteger(value: number): Uint8Array {
  if (value >= 0 && value <= 0xff) return Uint8Array.of(MARKER.int, value);
  const bytes = new DataView(new ArrayBuffer(9));
  bytes.setUint8(0, MARKER.int | 3);
  bytes.setBigInt64(1, BigInt(value));
  return new Uint8Array(bytes.buffer);
}

function encodeReal(value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(9));
  bytes.setUint8(0, MARKER.real);
  bytes.setFloat64(1, value);
  return new Uint8Array(bytes.buffer);
}

function encodeString(value: string): Uint8Array {
  const units = Array.from({ length: value.length }, (_, index) => value.charCodeAt(index));
  if (units.every((unit) => unit < 0x80)) {
    return concat([head(MARKER.ascii, units.length), Uint8Array.from(units)]);
  }
  return concat([
    head(MARKER.utf16, units.length),
    Uint8Array.from(units.flatMap((unit) => [unit >> 8, unit & 0xff])),
  ]);
}

function references(numbers: readonly number[]): Uint8Array {
  return Uint8Array.from(numbers.flatMap((number) => [number >> 8, number & 0xff]));
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}
