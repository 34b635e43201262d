/** Reads a safetensors file of 32-bit floats, by its format's description. */
import assert from "node:assert/strict";

/** A tensor; the slowest dimension of its shape comes first. */
export interface ReadTensor {
  shape: number[];
  numbers: Float32Array;
}

/** The tensors of a file by name; the file must follow the format to the last byte. */
export function tensorsIn(file: Uint8Array): Map<string, ReadTensor> {
  const view = new DataView(file.buffer, file.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  assert.equal(length % 8, 0);
  const { __metadata__: metadata, ...entries } = JSON.parse(
    new TextDecoder().decode(file.subarray(8, 8 + length)),
  );
  assert.deepEqual(metadata, { format: "pt" });
  let end = 0;
  const tensors = new Map<string, ReadTensor>();
  for (const [name, entry] of Object.entries<Record<string, never>>(entries)) {
    const { dtype, shape, data_offsets: [from, to] } = entry as unknown as {
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    };
    assert.deepEqual([dtype, from], ["F32", end], "without gaps");
    assert.equal(to - from, shape.reduce((product, size) => product * size, 4));
    end = to;
    const bytes = file.slice(8 + length + from, 8 + length + to);
    tensors.set(name, { shape, numbers: new Float32Array(bytes.buffer) });
  }
  assert.equal(file.length, 8 + length + end);
  return tensors;
}
