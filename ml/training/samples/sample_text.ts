/** Owns how samples are told apart by their content: normalised texts, their hashes, the message that is answered. */
import { createHash } from "node:crypto";
import { parseTranscript, promptOfSampleInput, type Transcript } from "../../../contract/prompt.ts";

/** The same text for messages that differ in case, space and punctuation alone. */
export function normalised(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim() ||
    // Messages of nothing but signs, such as emoji, stand for themselves.
    text.normalize("NFKC").replace(/\s+/gu, " ").trim();
}

/** SHA-256 of texts, none of which can pass for a part of another. */
export function contentHash(texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

/** A hash as a number in [0, 1), evenly spread. */
export function hashShare(hash: string): number {
  return parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}

/** A sample's input as a conversation. */
export function transcriptOf(input: string): Transcript {
  return parseTranscript(promptOfSampleInput(input)) ?? { turns: [] };
}

/** What the other side said last, all of its messages in a row. */
export function messageAnswered({ turns }: Transcript): string {
  const lastMine = turns.findLastIndex(({ speaker }) => speaker === "me");
  return turns.slice(lastMine + 1).map(({ text }) => text).join("\n");
}
