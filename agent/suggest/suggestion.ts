/** Suggestions: a draft with the message it answers, asked for once and shown again until the person acts on it. */
import type { Conversation, Message } from "../../contract/conversations.ts";
import { failedAnswers, messagesToAnswer, ORPHANS_ID } from "../../contract/messages/waiting.ts";
import type { AbstentionReason, GeneratedResponse, ResponseRecord } from "../../contract/responses.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { modeFor, type PolicyBook } from "./conversation_policies.ts";

export interface Suggestion {
  readonly conversation: Pick<Conversation, "id" | "displayName" | "isGroup" | "participantIds">;
  /** The message that is answered. */
  readonly message: Message;
  /** What was written before it since the owner wrote last, oldest first: the draft answers that as well. */
  readonly earlier: readonly Message[];
  /** What the owner wrote since and Messages could not deliver, oldest first. */
  readonly failed?: readonly Message[];
  readonly responseId: string;
  /** The draft. */
  readonly text: string;
  /** The probability that the person sends it with at most small changes; null when the server gives none. */
  readonly confidence: number | null;
  /** Why the server does not suggest it: then it is for whoever asks. Null or absent for a draft to suggest. */
  readonly reason?: AbstentionReason | null;
}

/** A conversation whose last word is somebody else's. */
export interface Unanswered {
  readonly conversation: Conversation;
  readonly message: Message;
  readonly earlier: readonly Message[];
  readonly failed: readonly Message[];
}

/** Messages to read of a conversation: someone who sends more pictures than this in a row gets no draft. */
export const MESSAGES_TO_READ = 20;
/** More of what was written in a row than a person would read again. */
const MAX_EARLIER = 3;
const RECENT_DRAFTS = 5;
/** Newest drafts that are checked: older ones are out of date. */
const DRAFTS_TO_READ = 20;

/** What waits for an answer in a conversation; null when nothing does. */
export async function findUnanswered(
  client: DraftClient,
  conversation: Conversation,
): Promise<Unanswered | null> {
  return unansweredIn(conversation, await latestMessages(client, conversation));
}

/** The latest messages of a conversation, newest first. */
export async function latestMessages(client: DraftClient, { id }: Conversation): Promise<readonly Message[]> {
  return (await client.messages(id, { pageSize: MESSAGES_TO_READ })).messages;
}

/** What waits for an answer among the latest messages of a conversation; null when nothing does. */
export function unansweredIn(conversation: Conversation, messages: readonly Message[]): Unanswered | null {
  if (conversation.imessageId === ORPHANS_ID) return null;
  const waiting = messagesToAnswer(messages);
  const message = waiting.at(-1);
  return message === undefined ? null : {
    conversation,
    message,
    earlier: waiting.slice(-1 - MAX_EARLIER, -1),
    failed: failedAnswers(messages, message),
  };
}

/** A draft that can be shown: finished, with words, not acted on, and an answer to what still stands there. */
export function isOpenDraft(draft: ResponseRecord): boolean {
  return draft.status === "completed" && draft.action === null && !draft.stale &&
    (draft.response ?? "").trim() !== "";
}

/** The suggestion of a finished draft; null when the model had nothing to say. */
export function suggestionOf(
  { conversation, message, earlier, failed }: Unanswered,
  draft: Pick<GeneratedResponse, "responseId" | "response" | "confidence" | "reason">,
): Suggestion | null {
  const text = (draft.response ?? "").trim();
  if (text === "") return null;
  const { responseId, confidence, reason } = draft;
  return { conversation, message, earlier, failed, responseId, text, confidence, reason };
}

/** The newest draft for this very message, if it is open: whoever has acted on it is done with the ones before it, too. */
export async function findOpenSuggestion(
  client: DraftClient,
  unanswered: Unanswered,
): Promise<Suggestion | null> {
  const { conversation, message } = unanswered;
  const { responses } = await client.drafts({ conversationId: conversation.id, pageSize: RECENT_DRAFTS });
  const newest = responses.find(({ messageId, status }) =>
    messageId === message.id && status === "completed"
  );
  return newest === undefined || !isOpenDraft(newest) ? null : suggestionOf(unanswered, newest);
}

/** The open draft for a message, or a new one. Asking twice costs nothing and shows the same words. */
export async function suggestReply(client: DraftClient, unanswered: Unanswered): Promise<Suggestion | null> {
  const open = await findOpenSuggestion(client, unanswered);
  return open ?? await draftReply(client, unanswered);
}

/** A new draft for a message, whatever was drafted for it before; what that was stays open, neither liked nor rejected. */
export async function draftReply(client: DraftClient, unanswered: Unanswered): Promise<Suggestion | null> {
  return suggestionOf(unanswered, await client.generate(unanswered.message.id));
}

/**
 * The drafts that wait for the person, newest first, one for each conversation that is not off: finished, suggested, not
 * acted on, and an answer to the newest message.
 */
export async function openSuggestions(client: DraftClient, policies: PolicyBook): Promise<Suggestion[]> {
  const { responses } = await client.drafts({ pageSize: DRAFTS_TO_READ });
  const suggestions: Suggestion[] = [];
  const seen = new Set<string>();
  const drafted = new Set<string>();
  for (const draft of responses.filter(({ status }) => status === "completed")) {
    const isNewest = !drafted.has(draft.messageId);
    drafted.add(draft.messageId);
    if (!isNewest || !isOpenDraft(draft)) continue;
    if (draft.suggested === false || seen.has(draft.conversationId)) continue;
    seen.add(draft.conversationId);
    const conversation = await client.conversation(draft.conversationId);
    if (modeFor(policies, conversation) === "off") continue;
    const unanswered = await findUnanswered(client, conversation);
    if (unanswered === null || unanswered.message.id !== draft.messageId) continue;
    const suggestion = suggestionOf(unanswered, draft);
    if (suggestion !== null) suggestions.push(suggestion);
  }
  return suggestions;
}
