/** What happened to a text that Messages was asked to send, as chat.db shows it, and the sentence for it. */
import type { ChatDatabase } from "../../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../../chatdb/file/chat_database_error.ts";
import { chatsOfConversations } from "../../chatdb/chats/message_chats.ts";
import { readSentMessages, type SentMessage } from "../../chatdb/chats/sent_messages.ts";
import { digestOf } from "../../sync/message_mapping.ts";
import type { SubmitRefusal, SubmitResult } from "../../platform/messages_app.ts";
import type { SendEntry, SendOutcomeKind } from "../../state/stored_values.ts";

/** `pending`: the message is there and Messages is still sending it. `absent`: it is not there. */
export type DeliveryStatus = SendOutcomeKind | "pending" | "absent";

export interface SendOutcome {
  readonly kind: SendOutcomeKind;
  /** One sentence: what is known, and what to do if anything. */
  readonly message: string;
}

/** Services without receipts: `sent` is their last status. */
const WITHOUT_RECEIPTS: readonly (string | null)[] = ["SMS", "RCS", "rcs"];

const REFUSALS: Record<SubmitRefusal, string> = {
  not_authorized:
    "The agent may not control Messages: allow it in System Settings > Privacy & Security > Automation",
  no_such_chat: "Messages does not have this chat in its list: open the chat in Messages and send it again",
  not_running: "Messages could not be started: open it and send the reply again",
  not_started:
    "The system's osascript could not be started, which a text of this length may be the reason for: send the " +
    "reply in Messages itself",
  not_understood: "Messages did not understand what it was asked to send: send the reply in Messages itself",
};

const OUTCOME_SENTENCES: Record<SendOutcomeKind, string> = {
  delivered: "The reply was delivered",
  sent: "The reply was sent; a receipt has not come yet",
  failed: "Messages could not send the reply: check the error in the chat",
  unknown:
    "It is not known whether the reply was sent: check the chat in Messages; it will not be sent again",
};

/**
 * The digest by which a sent message is recognised; the draft's id keeps short texts from being guessed. White space does not
 * count: Messages takes it away where it splits a text into rows.
 */
export function sentTextDigest(responseId: string, text: string): string {
  const words = text.replace(/\s+/g, "").normalize("NFC");
  return digestOf(`${responseId}\n${words}`);
}

/** The status of one message. Success of osascript proves nothing; only these columns do. */
export function deliveryStatusOf({ error, isSent, isDelivered }: SentMessage): DeliveryStatus {
  if (error !== 0) return "failed";
  if (isDelivered) return "delivered";
  return isSent ? "sent" : "pending";
}

/** Checks once. `absent` as well while the database cannot be read. */
export function lookForDelivery(database: ChatDatabase, entry: SendEntry): DeliveryStatus {
  return lookForMessage(database, entry)?.delivery ?? "absent";
}

/** Messages may send a text in this many rows: each link is one, and so is what stands between two. */
const MAX_PIECES = 15;

/** The rows that together hold the words of an entry, each time that Messages has written them. */
function* sentTogether(rows: readonly SentMessage[], entry: SendEntry): Generator<readonly SentMessage[]> {
  for (let first = 0; first < rows.length; first++) {
    for (let pieces = 1; pieces <= Math.min(MAX_PIECES, rows.length - first); pieces++) {
      const together = rows.slice(first, first + pieces);
      const text = together.map((row) => row.text).join("");
      if (sentTextDigest(entry.responseId, text) === entry.textDigest) yield together;
    }
  }
}

/** Of the rows of one text the one that has come least far speaks for it. */
const PROGRESS: readonly DeliveryStatus[] = ["failed", "pending", "sent", "delivered"];

function statusOfAll(rows: readonly SentMessage[]): { delivery: DeliveryStatus; isFinal: boolean } {
  const statuses = new Set(rows.map(deliveryStatusOf));
  const delivery = PROGRESS.find((status) => statuses.has(status)) ?? "absent";
  const isAllThereIs = delivery === "sent" && rows.every(({ service }) => WITHOUT_RECEIPTS.includes(service));
  return { delivery, isFinal: delivery === "delivered" || isAllThereIs };
}

/** What happened to the words: a text that failed and was then sent as an SMS was sent. */
function lookForMessage(
  database: ChatDatabase,
  entry: SendEntry,
): { delivery: DeliveryStatus; isFinal: boolean } | null {
  try {
    const chatIds = chatsOfConversations(database, entry.chatIds);
    const rows = readSentMessages(database, { chatIds, afterRowId: entry.afterRowId });
    const arrived = rows.filter((row) => deliveryStatusOf(row) !== "failed");
    const together = [...sentTogether(arrived, entry)].at(-1) ?? [...sentTogether(rows, entry)].at(-1);
    return together === undefined ? null : statusOfAll(together);
  } catch (error) {
    if (error instanceof ChatDatabaseError) return null;
    throw error;
  }
}

export interface WatchOptions {
  /** How long to wait. */
  timeoutMs: number;
  now: () => number;
  wait: (durationMs: number) => Promise<void>;
}

const POLL_MS = 500;
/** How long Messages may take to send a text as an SMS that it could not send as an iMessage. */
const SMS_AFTER_FAILURE_MS = 5_000;

/** Checks until the status is final, or time is up; returns the last one. */
export async function watchDelivery(
  database: ChatDatabase,
  entry: SendEntry,
  { timeoutMs, now, wait }: WatchOptions,
): Promise<DeliveryStatus> {
  const endsAtMs = now() + timeoutMs;
  let last: DeliveryStatus = "absent";
  let failedAtMs = Infinity;
  while (true) {
    const found = lookForMessage(database, entry);
    last = found?.delivery ?? last;
    failedAtMs = last === "failed" ? Math.min(failedAtMs, now()) : Infinity;
    const hasFailed = now() - failedAtMs >= SMS_AFTER_FAILURE_MS;
    if (found?.isFinal || hasFailed || now() >= endsAtMs) return last;
    await wait(POLL_MS);
  }
}

/** The outcome that osascript's answer and chat.db show together: the row counts, not the answer. */
export function outcomeOf(submitted: SubmitResult, delivery: DeliveryStatus): SendOutcome {
  if (delivery === "absent" && submitted.kind === "refused") {
    return { kind: "failed", message: REFUSALS[submitted.reason] };
  }
  const kind = delivery === "absent" || delivery === "pending" ? "unknown" : delivery;
  return { kind, message: OUTCOME_SENTENCES[kind] };
}
