/** Owns the hash of a file that is too large to be read at once. */
import { createHash } from "node:crypto";

/** SHA-256 in hex. */
export async function fileHash(path: string, options: { signal?: AbortSignal } = {}): Promise<string> {
  const hash = createHash("sha256");
  const file = await Deno.open(path);
  for await (const bytes of file.readable) {
    options.signal?.throwIfAborted();
    hash.update(bytes);
  }
  return hash.digest("hex");
}
