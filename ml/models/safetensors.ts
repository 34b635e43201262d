/** Writes tensors in the safetensors format: the length of a JSON directory, the directory, the numbers one after another. */

/** A tensor of 32-bit floats. */
export interface FloatTensor {
  name: string;
  /** The slowest dimension first. */
  shape: readonly number[];
  /** In row-major order. */
  numbers: Float32Array<ArrayBuffer>;
}

/** The directory is padded with spaces so that the numbers begin at a multiple of this. */
const ALIGNMENT = 8;
const LENGTH_BYTES = 8;

function directoryOf(tensors: readonly FloatTensor[]): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, shape, numbers }) => {
    const begin = end;
    end += numbers.byteLength;
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
  });
  // Readers want to know which library's conventions the names follow: "pt" is PyTorch's.
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  const bytes = new TextEncoder().encode(text);
  const padding = (ALIGNMENT - bytes.length % ALIGNMENT) % ALIGNMENT;
  return new Uint8Array([...bytes, ...new Uint8Array(padding).fill(" ".charCodeAt(0))]);
}

/** The file of some tensors. Source: the format's description in huggingface/safetensors, README. */
export function safetensorsOf(tensors: readonly FloatTensor[]): Uint8Array<ArrayBuffer> {
  const directory = directoryOf(tensors);
  const dataBytes = tensors.reduce((sum, { numbers }) => sum + numbers.byteLength, 0);
  const file = new Uint8Array(LENGTH_BYTES + directory.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(directory.length), true);
  file.set(directory, LENGTH_BYTES);
  let offset = LENGTH_BYTES + directory.length;
  for (const { numbers: { buffer, byteOffset, byteLength } } of tensors) {
    file.set(new Uint8Array(buffer, byteOffset, byteLength), offset);
    offset += byteLength;
  }
  return file;
}
