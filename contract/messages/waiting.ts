/** Decides which messages of a conversation wait for an answer: the one notion of it, for the agent and the server. */
import type { Message } from "../conversations.ts";
import { isAutomatedMessage, isReactionText } from "./message_classifier.ts";

/**
 * The conversation of messages that Messages has joined to no chat, or of which it cannot be known who has read them:
 * nothing in it is answered.
 */
export const ORPHANS_ID = "orphaned-messages";

/** A message, as far as it matters here. */
export type JudgedMessage =
  & Pick<Message, "direction" | "messageType" | "senderId" | "text">
  & {
    readonly retractedAt: unknown;
    readonly failed?: boolean | null;
    readonly reactions?: Message["reactions"] | null;
  };

/**
 * What a message is in a conversation. `words`: a person wrote it, and it can be read. `wordless`: a picture, a sticker,
 * a blank. `notice`: of the system or an app, such as "closed all three rings". `reaction`: sent as a text.
 * `automated`: a code, or what a company's machine sent. `unsent`: taken back. `failed`: never reached anyone.
 */
export type MessageRole = "words" | "wordless" | "notice" | "reaction" | "automated" | "unsent" | "failed";

/** U+FFFC stands in a text where a file is. */
const ATTACHMENT_MARK = /\uFFFC/g;

/**
 * The role of a message.
 *
 * @param others texts of messages before it in its conversation, by which reactions in any language are known
 */
export function roleOf(message: JudgedMessage, others: readonly (string | null)[] = []): MessageRole {
  const { direction, messageType, senderId, retractedAt, failed } = message;
  if (messageType === "system") return "notice";
  if (retractedAt !== null) return "unsent";
  const isOwn = direction === "outgoing";
  if (isOwn && failed === true) return "failed";
  const text = (message.text ?? "").replace(ATTACHMENT_MARK, "").trim();
  if (text === "") return "wordless";
  if (isReactionText(text, others)) return "reaction";
  return !isOwn && isAutomatedMessage({ senderId, text }) ? "automated" : "words";
}

/** True where the owner tapped a reaction on the message: that answers it. */
function hasOwnReaction({ reactions }: JudgedMessage): boolean {
  return reactions?.some(({ senderId }) => senderId === null) ?? false;
}

/**
 * The messages that wait for an answer, oldest first: what people wrote since the owner last answered, by a message that
 * was really sent or by a reaction. They are answered as one, by an answer to the last of them; none: nothing waits.
 *
 * @param newestFirst the latest messages of one conversation
 */
export function messagesToAnswer<M extends JudgedMessage>(newestFirst: readonly M[]): M[] {
  const waiting: M[] = [];
  const texts = newestFirst.map(({ text }) => text);
  for (const [index, message] of newestFirst.entries()) {
    const role = roleOf(message, texts.slice(index + 1));
    const isOwn = message.direction === "outgoing";
    const answers = isOwn
      ? role !== "notice" && role !== "unsent" && role !== "failed"
      : hasOwnReaction(message);
    if (answers) break;
    if (!isOwn && role === "words") waiting.push(message);
  }
  return waiting.reverse();
}

/** The owner's messages since a message that waits which reached nobody, oldest first. */
export function failedAnswers<M extends JudgedMessage>(newestFirst: readonly M[], waiting: M): M[] {
  const since = newestFirst.slice(0, newestFirst.indexOf(waiting));
  return since.filter((message) => roleOf(message) === "failed").reverse();
}

/** True when the newest message that is no notice is a code or from a company's machine, so that nothing is to be answered. */
export function isAutomatedConversation(newestFirst: readonly JudgedMessage[]): boolean {
  const newest = newestFirst.find(({ messageType }) => messageType !== "system");
  return newest !== undefined && roleOf(newest) === "automated";
}
