/** Checks that a fetched model file is the one the catalog describes, by size and SHA-256. */
import { createHash } from "node:crypto";

/** A model or adapter that cannot be used. Its message says why. */
export class ModelError extends Error {
  override readonly name: string = "ModelError";
}

/** An adapter's file is gone, or not the one that was trained. */
export class DamagedAdapterError extends ModelError {}

/** One reused buffer: a stream would leave hundreds to the garbage collector. */
const BUFFER_BYTES = 1024 * 1024;

/** The SHA-256 of a file in lower-case hexadecimal. */
export async function sha256OfFile(path: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let read = await file.read(buffer); read !== null; read = await file.read(buffer)) {
    options.signal?.throwIfAborted();
    hash.update(buffer.subarray(0, read));
  }
  return hash.digest("hex");
}

/**
 * Checks that an adapter's file is the one that was trained: llama.cpp would load a file of wrong numbers, and some that
 * are cut short.
 *
 * @throws DamagedAdapterError
 */
export async function checkAdapterFile(
  { id, path, sha256 }: { id: string; path: string; sha256: string },
): Promise<void> {
  const actual = await sha256OfFile(path).catch((cause) => {
    const isGone = cause instanceof Deno.errors.NotFound;
    const message = `The adapter ${id} cannot be served: its file ${isGone ? "is gone" : "cannot be read"}`;
    throw new DamagedAdapterError(message, { cause });
  });
  if (actual === sha256) return;
  throw new DamagedAdapterError(`The adapter ${id} is damaged: its file is not the one that was trained`);
}

/**
 * Moves a fetched file into place once it is verified; the place never holds an incomplete file.
 *
 * @throws ModelError when size or hash differ; the file is removed then
 */
export async function acceptFile(
  partPath: string,
  expected: { path: string; sizeBytes: number; sha256: string; signal?: AbortSignal },
): Promise<void> {
  const { size } = await Deno.stat(partPath);
  const sha256 = size === expected.sizeBytes ? await sha256OfFile(partPath, expected) : null;
  if (sha256 !== expected.sha256) {
    await Deno.remove(partPath);
    throw new ModelError(
      size === expected.sizeBytes
        ? `it is another file: its SHA-256 is ${sha256}, not ${expected.sha256}`
        : `it has ${size} bytes, not ${expected.sizeBytes}`,
    );
  }
  await Deno.rename(partPath, expected.path);
}
