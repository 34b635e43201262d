/** Owns the proof that a fetched file is the one the catalog means: its size and its SHA-256. */
import { createHash } from "node:crypto";
import { ModelError } from "./model_error.ts";

/** The SHA-256 of a file in lower-case hexadecimal, read as a stream. */
export async function sha256OfFile(path: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) {
    options.signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}

/**
 * Puts a fetched file in its place once it is proven whole; the place never holds half a file.
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
        ? `what came is another file: its SHA-256 is ${sha256}, not ${expected.sha256}`
        : `what came has ${size} bytes, not ${expected.sizeBytes}`,
    );
  }
  await Deno.rename(partPath, expected.path);
}
