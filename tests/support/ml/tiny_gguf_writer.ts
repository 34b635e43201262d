/** Writes the GGUF v3 container: typed metadata and tensors. Source: ggml's docs/gguf.md. */

/** "GGUF" read as a little-endian number. */
const MAGIC = 0x46554747;
const VERSION = 3;
/** `general.alignment` when a file names none. */
const ALIGNMENT = 32;

/** Value types of gguf.md that a model file of ours needs. */
const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/** `enum ggml_type` of ggml.h: 32-bit floats. */
const GGML_TYPE_F32 = 0;

type Scalar =
  | { type: "u32" | "i32" | "f32"; value: number }
  | { type: "bool"; value: boolean }
  | { type: "string"; value: string };

/** One metadata value. Arrays hold scalars of one type. */
export type GgufValue =
  | Scalar
  | { type: "array"; of: "string"; value: readonly string[] }
  | { type: "array"; of: "i32" | "f32"; value: readonly number[] };

/** One tensor of 32-bit floats. `shape` is in ggml's order: the contiguous dimension first. */
export interface GgufTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

export interface GgufContent {
  metadata: Readonly<Record<string, GgufValue>>;
  tensors: readonly GgufTensor[];
}

/** Collects little-endian bytes. */
class ByteWriter {
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(64 * 1024);
  #length = 0;

  #reserve(count: number): DataView {
    if (this.#length + count > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const view = new DataView(this.#bytes.buffer, this.#length, count);
    this.#length += count;
    return view;
  }

  scalar(value: Scalar): void {
    if (value.type === "string") this.string(value.value);
    else if (value.type === "bool") this.#reserve(1).setUint8(0, value.value ? 1 : 0);
    else if (value.type === "u32") this.u32(value.value);
    else if (value.type === "i32") this.#reserve(4).setInt32(0, value.value, true);
    else this.#reserve(4).setFloat32(0, value.value, true);
  }

  u32(value: number): void {
    this.#reserve(4).setUint32(0, value, true);
  }

  u64(value: number): void {
    this.#reserve(8).setBigUint64(0, BigInt(value), true);
  }

  string(value: string): void {
    const bytes = this.#encoder.encode(value);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    const start = this.#length;
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, start);
  }

  align(): void {
    const rest = this.#length % ALIGNMENT;
    if (rest > 0) this.#reserve(ALIGNMENT - rest);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

function writeValue(writer: ByteWriter, value: GgufValue): void {
  writer.u32(VALUE_TYPE[value.type]);
  if (value.type !== "array") return writer.scalar(value);
  writer.u32(VALUE_TYPE[value.of]);
  writer.u64(value.value.length);
  for (const item of value.value) writer.scalar({ type: value.of, value: item } as Scalar);
}

function alignedSize(tensor: GgufTensor): number {
  return Math.ceil(tensor.data.byteLength / ALIGNMENT) * ALIGNMENT;
}

/** Writes a complete model file: header, metadata, tensor directory, aligned tensor data. */
export function writeGguf(content: GgufContent): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  const metadata = Object.entries(content.metadata);
  writer.u32(MAGIC);
  writer.u32(VERSION);
  writer.u64(content.tensors.length);
  writer.u64(metadata.length);
  for (const [key, value] of metadata) {
    writer.string(key);
    writeValue(writer, value);
  }
  let offset = 0;
  for (const tensor of content.tensors) {
    writer.string(tensor.name);
    writer.u32(tensor.shape.length);
    for (const size of tensor.shape) writer.u64(size);
    writer.u32(GGML_TYPE_F32);
    writer.u64(offset);
    offset += alignedSize(tensor);
  }
  for (const tensor of content.tensors) {
    writer.align();
    writer.bytes(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
  }
  writer.align();
  return writer.finish();
}
