/** Identifies samples by content. */
import { createHash } from "node:crypto";

/** SHA-256 of a list of texts, unambiguous in where each ends. */
export function contentHash(texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

/** Maps a hash to a number in [0, 1), uniformly. */
export function hashShare(hash: string): number {
  return parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}
