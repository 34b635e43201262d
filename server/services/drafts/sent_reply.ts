/** Says what the person really sent after the message of a draft. */
import { type MessageRole, roleOf } from "../../../contract/messages/waiting.ts";
import type { SentReply } from "../../../contract/responses.ts";
import type { MessagesFromReply } from "../../store/drafts/messages_from_reply.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import { BUBBLE_GAP_SECONDS } from "../../store/drafts/sent_replies.ts";
import type { DraftResponse, Message } from "../../store/schema.ts";
import { promptTextOf } from "./prompt_builder.ts";

/** Roles of messages that are a turn of the conversation; reactions, notices, and what failed or was unsent are none. */
const TURNS: readonly MessageRole[] = ["words", "wordless", "automated"];

/** The bubbles of the reply: what the owner sent until somebody else wrote, or the owner stopped for a while. */
function bubblesOf({ askedText, messages }: MessagesFromReply): Message[] {
  const bubbles: Message[] = [];
  const texts = [askedText, ...messages.map(({ text }) => text)];
  for (const [index, message] of messages.entries()) {
    if (!TURNS.includes(roleOf(message, texts.slice(0, index + 1)))) continue;
    const last = bubbles.at(-1);
    const gapMs = last === undefined ? 0 : message.sentAt.getTime() - last.sentAt.getTime();
    if (message.direction === "incoming" || gapMs > BUBBLE_GAP_SECONDS * 1_000) break;
    bubbles.push(message);
  }
  return bubbles;
}

/** The reply as it is answered; null where nothing but a reaction was sent as a text. */
export function sentReplyOf(found: MessagesFromReply): SentReply | null {
  const bubbles = bubblesOf(found);
  if (bubbles.length === 0) return null;
  const words = bubbles.map(({ text }) => promptTextOf(text)).filter((text) => text !== "");
  return {
    text: words.length === 0 ? null : words.join("\n"),
    messages: bubbles.map(({ id, text, sentAt, editedAt }) => ({
      id,
      text,
      sentAt: sentAt.toISOString(),
      editedAt: editedAt?.toISOString() ?? null,
    })),
    answeredMessageId: found.answeredMessageId,
  };
}

/**
 * What was sent after the message of each completed draft of an account, by the draft's id; null where nothing was. It is
 * read from the messages each time and stored nowhere else: so it has every later edit, and nothing that was deleted.
 */
export async function findSentReplies(
  responses: Pick<ResponseStore, "repliesTo">,
  accountId: string,
  drafts: readonly Pick<DraftResponse, "id" | "messageId" | "status">[],
): Promise<ReadonlyMap<string, SentReply | null>> {
  const completed = drafts.filter(({ status }) => status === "completed");
  if (completed.length === 0) return new Map();
  const found = await responses.repliesTo(accountId, completed.map(({ messageId }) => messageId));
  return new Map(completed.map(({ id, messageId }) => {
    const reply = found.get(messageId);
    return [id, reply === undefined ? null : sentReplyOf(reply)];
  }));
}
