/** Ingests synced messages: one batch of one conversation, idempotent and exact under concurrency. */
import { count, desc, eq, max, sql as fragment, sum } from "drizzle-orm";
import type {
  SyncDeletionsResponse,
  SyncHeartbeatRequest,
  SyncMessagesRequest,
  SyncMessagesResponse,
} from "../../../contract/sync.ts";
import { bindTo, type Database } from "../database.ts";
import {
  addConversation,
  type BatchOrigin,
  dropEmptyConversation,
  followMovedMessages,
  lockAccount,
  refreshConversation,
  storeMessages,
} from "./ingest_statements.ts";
import { deleteNeverTrained } from "./conversation_policy.ts";
import { deleteMessagesWithDrafts } from "./deletion.ts";
import type { Sql } from "../sql.ts";
import { contacts, conversations, type DeviceSync, deviceSyncs } from "../schema.ts";

/** What a batch changed. */
interface BatchCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
}

/** Counts in the device's row what its batch did; without `lagRows` the last reported one stays. */
function countBatch(
  tx: Sql,
  { origin, counts, lagRows }: { origin: BatchOrigin; counts: BatchCounts; lagRows?: number },
): Promise<unknown> {
  const { inserted, updated, unchanged, deleted } = counts;
  return tx`
    insert into device_syncs as d (
      device_id, account_id, last_batch_at, batches, inserted, updated, unchanged, deleted, lag_rows)
    values (${origin.deviceId}, ${origin.accountId}, now(), 1, ${inserted}, ${updated}, ${unchanged}, ${deleted},
      ${lagRows ?? null})
    on conflict (device_id) do update set
      last_batch_at = excluded.last_batch_at,
      batches = d.batches + 1,
      inserted = d.inserted + excluded.inserted,
      updated = d.updated + excluded.updated,
      unchanged = d.unchanged + excluded.unchanged,
      deleted = d.deleted + excluded.deleted,
      lag_rows = coalesce(excluded.lag_rows, d.lag_rows)`;
}

/** Records that a device is there, how many rows wait on it, and what happened to the others where it says so. */
async function noteHeartbeat(
  { sql }: Database,
  origin: BatchOrigin,
  { lagRows, capture }: SyncHeartbeatRequest,
): Promise<void> {
  const said = capture === undefined ? null : JSON.stringify(capture);
  await sql`
    insert into device_syncs as d (
      device_id, account_id, batches, inserted, updated, unchanged, heartbeat_at, lag_rows, capture)
    values (${origin.deviceId}, ${origin.accountId}, 0, 0, 0, 0, now(), ${lagRows}, ${said}::text::jsonb)
    on conflict (device_id) do update set heartbeat_at = excluded.heartbeat_at, lag_rows = excluded.lag_rows,
      capture = coalesce(excluded.capture, d.capture)`;
}

/** What an account has stored, and what each of its devices has sent. */
export interface SyncTotals {
  readonly messages: number;
  readonly conversations: number;
  readonly contacts: number;
  readonly lastMessageAt: Date | null;
  /** When the account last stored a batch. */
  readonly lastSyncedAt: Date | null;
  /** The most recently active device comes first. */
  readonly devices: readonly DeviceSync[];
}

export interface MessageIngest {
  /**
   * Stores a batch in one transaction; the counts add up to the number of messages. A repeated batch changes nothing,
   * an absent optional field keeps what is stored, an older copy never undoes an edit or an unsend, the last of
   * twins in one batch wins, and a message that moved follows its latest conversation.
   */
  ingestMessages(origin: BatchOrigin, batch: SyncMessagesRequest): Promise<SyncMessagesResponse>;
  /**
   * Deletes messages with all that hangs on them: drafts, training samples, and conversations that none is left in.
   * A message that is sent again later is stored as a new one.
   */
  deleteMessages(origin: BatchOrigin, guids: readonly string[]): Promise<SyncDeletionsResponse>;
  /** Records that a device is there, how many rows wait on it, and what happened to the others where it says so. */
  noteHeartbeat(origin: BatchOrigin, report: SyncHeartbeatRequest): Promise<void>;
  status(accountId: string): Promise<SyncTotals>;
}

function ingestMessages(
  { transaction }: Database,
  origin: BatchOrigin,
  batch: SyncMessagesRequest,
): Promise<SyncMessagesResponse> {
  const { accountId } = origin;
  return transaction(async ({ sql: tx }) => {
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
    if (stored.moved.length > 0) {
      await deleteNeverTrained(tx, accountId);
      await followMovedMessages(tx, stored);
    }
    await Promise.all([
      refreshConversation(tx, { stored, batch }),
      countBatch(tx, { origin, counts: { ...counts, deleted: 0 }, lagRows: batch.lagRows }),
    ]);
    if (counts.unchanged > 0) await dropEmptyConversation(tx, conversationId);
    return counts;
  });
}

function deleteMessages(
  { transaction }: Database,
  origin: BatchOrigin,
  guids: readonly string[],
): Promise<SyncDeletionsResponse> {
  return transaction(async ({ sql: tx }) => {
    await lockAccount(tx, origin.accountId);
    const found = await tx<{ id: string }>`
      select id from messages where account_id = ${origin.accountId}
        and imessage_guid = any(${[...guids]}::text[])`;
    const deleted = found.length;
    if (deleted > 0) {
      await deleteMessagesWithDrafts(tx, {
        accountId: origin.accountId,
        messageIds: found.map(({ id }) => id),
      });
      await countBatch(tx, { origin, counts: { inserted: 0, updated: 0, unchanged: 0, deleted } });
    }
    return { deleted, unknown: new Set(guids).size - deleted };
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
      desc(fragment`greatest(${deviceSyncs.lastBatchAt}, ${deviceSyncs.heartbeatAt})`),
    ),
  ]);
  return {
    messages: totals?.messages ?? 0,
    conversations: totals?.conversations ?? 0,
    contacts: known?.contacts ?? 0,
    lastMessageAt: totals?.lastMessageAt ?? null,
    lastSyncedAt: latest(devices.map(({ lastBatchAt }) => lastBatchAt)),
    devices,
  };
}

function latest(times: readonly (Date | null)[]): Date | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : new Date(Math.max(...known.map(Number)));
}

export function createMessageIngest(database: Database): MessageIngest {
  return bindTo(database, { ingestMessages, deleteMessages, noteHeartbeat, status });
}
