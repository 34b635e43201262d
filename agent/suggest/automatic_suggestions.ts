/** Owns drafting by itself, for the conversations that the person has set to automatic. It drafts and never sends. */
import type { DraftClient } from "../clients/draft_client.ts";
import { recentConversations } from "./conversation_choice.ts";
import type { PolicyBook } from "./conversation_policies.ts";
import { findUnanswered, type Suggestion, suggestReply } from "./suggestion.ts";

export interface AutomaticOptions {
  policies: PolicyBook;
  /** The present, in Unix time. */
  nowMs: number;
}

/** People write several messages in a row: a draft waits until they have paused, and answers all of them. */
export const QUIET_MS = 8_000;
/** What has waited longer than this is history that was just synced, not somebody waiting. */
const FRESH_MS = 24 * 60 * 60 * 1_000;

/** What one round did. */
export interface AutomaticRound {
  readonly made: readonly Suggestion[];
  /** True when a conversation was left alone because somebody may still be writing in it. */
  readonly isWaiting: boolean;
}

/**
 * Drafts a reply in each automatic conversation that waits for one. Run after a sync; one run at a time. A message
 * that has its open draft is not drafted for again, nor one whose draft the person has acted on.
 *
 * @returns the suggestions that are new, and whether to come back soon
 */
export async function draftAutomatically(
  client: DraftClient,
  { policies, nowMs }: AutomaticOptions,
): Promise<AutomaticRound> {
  const made: Suggestion[] = [];
  let isWaiting = false;
  if (!Object.values(policies.modes).includes("automatic")) return { made, isWaiting };
  for (const conversation of await recentConversations(client)) {
    if (policies.modeOf(conversation.id) !== "automatic") continue;
    const unanswered = await findUnanswered(client, conversation);
    const ageMs = nowMs - Date.parse(unanswered?.message.sentAt ?? "");
    isWaiting ||= ageMs < QUIET_MS;
    if (unanswered === null || ageMs < QUIET_MS || ageMs > FRESH_MS) continue;
    if (await wasDraftedFor(client, unanswered)) continue;
    const suggestion = await suggestReply(client, unanswered);
    if (suggestion !== null) made.push(suggestion);
  }
  return { made, isWaiting };
}

/** A draft that failed is none. */
async function wasDraftedFor(
  client: DraftClient,
  { conversation, message }: { conversation: { id: string }; message: { id: string } },
): Promise<boolean> {
  const { responses } = await client.drafts({ conversationId: conversation.id, pageSize: 1 });
  const [newest] = responses;
  return newest?.messageId === message.id && newest.status !== "failed" && newest.status !== "cancelled";
}
