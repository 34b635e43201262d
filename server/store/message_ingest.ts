/** Owns the ingest of synced messages: one batch of one conversation, idempotent and exact under concurrency. */
import { count, desc, eq, max, sum } from "drizzle-orm";
import type { SyncMessagesRequest, SyncMessagesResponse } from "../../contract/sync.ts";
import type { Database } from "./database.ts";
import {
  addConversation,
  type BatchOrigin,
  countBatch,
  followMovedMessages,
  lockAccount,
  refreshConversation,
  storeMessages,
} from "./ingest_statements.ts";
import { contacts, conversations, type DeviceSync, deviceSyncs } from "./schema.ts";

/** What an account has stored, and what each of its devices has sent. */
export interface SyncTotals {
  readonly messages: number;
  readonly conversations: number;
  readonly contacts: number;
  readonly lastMessageAt: Date | null;
  /** When the account last stored a batch. */
  readonly lastSyncedAt: Date | null;
  /** The device that sent last comes first. */
  readonly devices: readonly DeviceSync[];
}

export interface MessageIngest {
  /**
   * Stores a batch in one transaction; the counts add up to the number of messages. A repeated batch changes nothing,
   * an absent optional field keeps what is stored, an older copy never undoes an edit or an unsend, the last of
   * twins in one batch wins, and a message that moved follows its latest conversation.
   */
  ingestMessages(origin: BatchOrigin, batch: SyncMessagesRequest): Promise<SyncMessagesResponse>;
  status(accountId: string): Promise<SyncTotals>;
}

function ingestMessages(
  { sql }: Database,
  { origin, batch }: { origin: BatchOrigin; batch: SyncMessagesRequest },
): Promise<SyncMessagesResponse> {
  const { accountId } = origin;
  return sql.begin(async (tx) => {
    // Sent in one go, run one after the other: each statement sees what the one before it did.
    const [, , stored] = await Promise.all([
      lockAccount(tx, accountId),
      addConversation(tx, { accountId, batch }),
      storeMessages(tx, { accountId, batch }),
    ]);
    const { conversationId, inserted, updated } = stored;
    const counts = {
      conversationId,
      inserted,
      updated,
      unchanged: batch.messages.length - inserted - updated,
    };
    if (stored.moved.length > 0) await followMovedMessages(tx, stored);
    await Promise.all([refreshConversation(tx, { stored, batch }), countBatch(tx, { origin, counts })]);
    return counts;
  });
}

async function status({ db }: Database, accountId: string): Promise<SyncTotals> {
  const [[totals], [known], devices] = await Promise.all([
    db.select({
      conversations: count(),
      messages: sum(conversations.messageCount).mapWith(Number),
      lastMessageAt: max(conversations.lastMessageAt),
    }).from(conversations).where(eq(conversations.accountId, accountId)),
    db.select({ contacts: count() }).from(contacts).where(eq(contacts.accountId, accountId)),
    db.select().from(deviceSyncs).where(eq(deviceSyncs.accountId, accountId)).orderBy(
      desc(deviceSyncs.lastBatchAt),
    ),
  ]);
  return {
    messages: totals?.messages ?? 0,
    conversations: totals?.conversations ?? 0,
    contacts: known?.contacts ?? 0,
    lastMessageAt: totals?.lastMessageAt ?? null,
    lastSyncedAt: devices[0]?.lastBatchAt ?? null,
    devices,
  };
}

export function createMessageIngest(database: Database): MessageIngest {
  return {
    ingestMessages: (origin, batch) => ingestMessages(database, { origin, batch }),
    status: (accountId) => status(database, accountId),
  };
}
