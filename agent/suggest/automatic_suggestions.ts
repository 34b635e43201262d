/** Drafts for the conversations that the person has set to automatic. It never sends. */
import { RemoteError } from "../../lib/http/client.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { recentConversations } from "./conversation_choice.ts";
import { modeFor, type PolicyBook } from "./conversation_policies.ts";
import { findUnanswered, type Suggestion, suggestReply, type Unanswered } from "./suggestion.ts";
import type { Conversation } from "../../contract/conversations.ts";

export interface AutomaticOptions {
  policies: PolicyBook;
  /** The present, in Unix time. */
  nowMs: number;
}

/** People write several messages in a row: a draft waits until they have paused, and answers all of them. */
export const QUIET_MS = 8_000;
/** A message older than this is history that was just synced: nobody expects an answer. */
const FRESH_MS = 24 * 60 * 60 * 1_000;
/** A message dated further ahead is from another clock, so its age means nothing. */
const CLOCK_TOLERANCE_MS = 60 * 1_000;
/** The pairing has ended, or the server accepts nothing at the moment. */
const GENERAL_STATUSES: readonly number[] = [401, 403, 426, 429, 503];

/** What one run did. */
export interface AutomaticRound {
  readonly made: readonly Suggestion[];
  /** True when a conversation was skipped because somebody may still be typing in it. */
  readonly isWaiting: boolean;
  /** Why a conversation that should have its draft has none; null when there is no such conversation. */
  readonly failure: unknown;
}

/** `typing`: somebody may still be typing. `due`: it is time for a draft. `stale`: nobody expects one. */
function momentOf({ message }: Unanswered, nowMs: number): "typing" | "due" | "stale" {
  const ageMs = nowMs - Date.parse(message.sentAt);
  if (ageMs > FRESH_MS) return "stale";
  return ageMs >= QUIET_MS || ageMs < -CLOCK_TOLERANCE_MS ? "due" : "typing";
}

/**
 * True for a fault that the next conversation would meet as well: nobody answers, or nothing is accepted. The
 * server says `ml_unavailable` also when the model fails at one conversation alone.
 */
function concernsAll(error: unknown): boolean {
  if (!(error instanceof RemoteError)) return true;
  return GENERAL_STATUSES.includes(error.statusCode) && error.body.code !== "ml_unavailable";
}

async function draftFor(client: DraftClient, unanswered: Unanswered): Promise<Suggestion | null> {
  return await wasDraftedFor(client, unanswered) ? null : await suggestReply(client, unanswered);
}

async function automaticConversations(client: DraftClient, policies: PolicyBook): Promise<Conversation[]> {
  const recent = await recentConversations(client);
  // The server says so only where the person has chosen a share.
  return recent.filter((conversation) =>
    modeFor(policies, conversation) === "automatic" && conversation.replyExpected !== false
  );
}

/**
 * Drafts a reply in each automatic conversation that waits for one. Run after a sync; one run at a time. A message
 * that has its open draft is not drafted for again, nor one whose draft the person has acted on. A conversation for
 * which no draft can be made keeps no other one from its own.
 *
 * @returns the suggestions that are new, and whether to come back soon
 */
export async function draftAutomatically(
  client: DraftClient,
  { policies, nowMs }: AutomaticOptions,
): Promise<AutomaticRound> {
  const made: Suggestion[] = [];
  let isWaiting = false;
  let failure: unknown = null;
  for (const conversation of await automaticConversations(client, policies)) {
    try {
      const unanswered = await findUnanswered(client, conversation);
      const moment = unanswered === null ? "stale" : momentOf(unanswered, nowMs);
      isWaiting ||= moment === "typing";
      if (unanswered === null || moment !== "due") continue;
      const suggestion = await draftFor(client, unanswered);
      // One that is not to be suggested stays on the server, and is shown to whoever asks.
      if (suggestion !== null && !suggestion.reason) made.push(suggestion);
    } catch (error) {
      if (concernsAll(error)) throw error;
      failure ??= error;
    }
  }
  return { made, isWaiting, failure };
}

/** A failed draft does not count, nor one to words that have changed since. */
async function wasDraftedFor(client: DraftClient, { conversation, message }: Unanswered): Promise<boolean> {
  const { responses } = await client.drafts({ conversationId: conversation.id, pageSize: 1 });
  const [newest] = responses;
  return newest?.messageId === message.id && !newest.stale && newest.status !== "failed" &&
    newest.status !== "cancelled";
}
