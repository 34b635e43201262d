/** Identifies samples by content: hashes, and the message that is answered. */
import { createHash } from "node:crypto";
import { parseTranscript, promptOfSampleInput, type Transcript } from "../../../contract/prompt.ts";

/** SHA-256 of a list of texts, unambiguous in where each ends. */
export function contentHash(texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

/** Maps a hash to a number in [0, 1), uniformly. */
export function hashShare(hash: string): number {
  return parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}

/** A sample's input as a conversation. */
export function transcriptOf(input: string): Transcript {
  return parseTranscript(promptOfSampleInput(input)) ?? { turns: [] };
}

/** What the other side said last: all its messages since the last reply. */
export function messageAnswered({ turns }: Transcript): string {
  const lastMine = turns.findLastIndex(({ speaker }) => speaker === "me");
  return turns.slice(lastMine + 1).map(({ text }) => text).join("\n");
}
