/** Owns the question which message of a conversation waits for an answer. */
import type { Message } from "../../contract/conversations.ts";

/** Messages that must be read of a conversation to know: someone who sends more pictures than this waits in vain. */
export const MESSAGES_TO_LOOK_AT = 20;

function isReadable({ text, retractedAt }: Message): boolean {
  return retractedAt === null && (text ?? "").trim() !== "";
}

/**
 * The newest message with words since the owner wrote last; null when the owner has the last word, or there is nothing
 * to read. Several messages in a row are answered as one, by an answer to the newest.
 *
 * @param newestFirst messages of one conversation
 */
export function messageToAnswer(newestFirst: readonly Message[]): Message | null {
  const said = newestFirst.filter(({ messageType }) => messageType !== "system");
  const ownAt = said.findIndex(({ direction }) => direction === "outgoing");
  const waiting = ownAt === -1 ? said : said.slice(0, ownAt);
  return waiting.find(isReadable) ?? null;
}
