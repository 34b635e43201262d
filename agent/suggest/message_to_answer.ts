/** Owns the question which messages of a conversation wait for an answer. */
import type { Message } from "../../contract/conversations.ts";

/** Messages that must be read of a conversation to know: someone who sends more pictures than this waits in vain. */
export const MESSAGES_TO_LOOK_AT = 20;

function isReadable({ text, retractedAt }: Message): boolean {
  return retractedAt === null && (text ?? "").trim() !== "";
}

/**
 * The messages with words since the owner wrote last, oldest first; none when the owner has the last word, or there is
 * nothing to read. They are answered as one, by an answer to the last of them.
 *
 * @param newestFirst messages of one conversation
 */
export function messagesToAnswer(newestFirst: readonly Message[]): Message[] {
  const said = newestFirst.filter(({ messageType }) => messageType !== "system");
  const ownAt = said.findIndex(({ direction }) => direction === "outgoing");
  const waiting = ownAt === -1 ? said : said.slice(0, ownAt);
  return waiting.filter(isReadable).reverse();
}
