/** Owns the way into a tensor's memory from JavaScript, which a CPU backend allows. */
import { TrainingError } from "../trainer.ts";
import type { Tensor } from "./handles.ts";
import type { Ggml } from "./library.ts";

/**
 * A tensor's bytes themselves, no copy. They are gone with the tensor's buffer.
 *
 * @throws TrainingError `compute_failed` when the tensor has no memory yet
 */
export function memoryOf(ggml: Ggml, tensor: Tensor): Uint8Array<ArrayBuffer> {
  const data = ggml.ggml_get_data(tensor);
  if (data === null) throw new TrainingError("compute_failed", "A tensor of ggml has no memory");
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(data, Number(ggml.ggml_nbytes(tensor))));
}

/** A tensor's 32-bit floats themselves. */
export function floatsOf(ggml: Ggml, tensor: Tensor): Float32Array<ArrayBuffer> {
  return new Float32Array(memoryOf(ggml, tensor).buffer);
}
