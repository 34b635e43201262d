/** Owns finding out in chat.db what became of a text that Messages was asked to send. */
import type { ChatDatabase } from "../../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../../chatdb/file/chat_database_error.ts";
import { readSentMessages, type SentMessage } from "../../chatdb/chats/sent_messages.ts";
import { digestOf } from "../../sync/wire_text.ts";
import type { SendEntry, SendOutcomeKind } from "./send_log.ts";

/** `pending`: the message is there and Messages is still at it. `absent`: it is not there. */
export type DeliveryStatus = SendOutcomeKind | "pending" | "absent";

/** Services without receipts: what is sent stays at that. */
const WITHOUT_RECEIPTS: readonly (string | null)[] = ["SMS", "RCS", "rcs"];

/** The digest by which a sent message is recognised; the draft's id keeps short texts from being guessed. */
export function sentTextDigest(responseId: string, text: string): string {
  const words = text.replaceAll("\r\n", "\n").normalize("NFC").trim();
  return digestOf(`${responseId}\n${words}`);
}

/** How one message stands. Success of osascript says nothing; only these columns do. */
export function deliveryStatusOf({ error, isSent, isDelivered }: SentMessage): DeliveryStatus {
  if (error !== 0) return "failed";
  if (isDelivered) return "delivered";
  return isSent ? "sent" : "pending";
}

/** Looks once. A database that cannot be read at this moment tells nothing. */
export function lookForDelivery(database: ChatDatabase, entry: SendEntry): DeliveryStatus {
  return lookForMessage(database, entry)?.delivery ?? "absent";
}

function lookForMessage(
  database: ChatDatabase,
  { responseId, chatIds, afterRowId, textDigest }: SendEntry,
): { delivery: DeliveryStatus; isFinal: boolean } | null {
  try {
    const message = readSentMessages(database, { chatIds, afterRowId })
      .find(({ text }) => sentTextDigest(responseId, text) === textDigest);
    if (message === undefined) return null;
    const delivery = deliveryStatusOf(message);
    const isAllThereIs = delivery === "sent" && WITHOUT_RECEIPTS.includes(message.service);
    return { delivery, isFinal: delivery === "failed" || delivery === "delivered" || isAllThereIs };
  } catch (error) {
    if (error instanceof ChatDatabaseError) return null;
    throw error;
  }
}

export interface WatchOptions {
  /** How long to look. */
  timeoutMs: number;
  now: () => number;
  wait: (durationMs: number) => Promise<void>;
}

const POLL_MS = 500;

/** Looks until the outcome cannot change any more, or time is up; returns what was seen last. */
export async function watchDelivery(
  database: ChatDatabase,
  entry: SendEntry,
  { timeoutMs, now, wait }: WatchOptions,
): Promise<DeliveryStatus> {
  const endsAtMs = now() + timeoutMs;
  let last: DeliveryStatus = "absent";
  while (true) {
    const found = lookForMessage(database, entry);
    last = found?.delivery ?? last;
    if (found?.isFinal || now() >= endsAtMs) return last;
    await wait(POLL_MS);
  }
}
