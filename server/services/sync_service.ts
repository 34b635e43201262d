/** Stores synced batches and counts what they changed. */
import type {
  SyncContactsRequest,
  SyncContactsResponse,
  SyncDeletionsRequest,
  SyncDeletionsResponse,
  SyncDevice,
  SyncHeartbeatRequest,
  SyncHeartbeatResponse,
  SyncMessagesRequest,
  SyncMessagesResponse,
  SyncStatusResponse,
} from "../../contract/sync.ts";
import type { Counter, Metrics } from "../../lib/metrics.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { ContactStore } from "../store/messages/contact_store.ts";
import type { MessageIngest, SyncTotals } from "../store/messages/message_ingest.ts";

export interface SyncServiceOptions {
  ingest: MessageIngest;
  contacts: ContactStore;
  metrics: Metrics;
  now: () => Date;
  /** Called when the outbox may have messages for ml: about cached drafts, adapters or jobs of what was deleted. */
  onOutbox: () => void;
}

export interface SyncService {
  /** Stores all of a batch or nothing; a repeated batch changes nothing. */
  syncMessages(caller: Caller, batch: SyncMessagesRequest): Promise<SyncMessagesResponse>;
  syncContacts(caller: Caller, batch: SyncContactsRequest): Promise<SyncContactsResponse>;
  /** Deletes messages that were deleted in Messages; those that are not stored are counted and no fault. */
  syncDeletions(caller: Caller, request: SyncDeletionsRequest): Promise<SyncDeletionsResponse>;
  /** Notes that the caller's device is there, how much waits on it, and what happened to the rest. */
  heartbeat(caller: Caller, request: SyncHeartbeatRequest): Promise<SyncHeartbeatResponse>;
  status(caller: Caller): Promise<SyncStatusResponse>;
}

const OUTCOMES = ["inserted", "updated", "unchanged"] as const;

function count(counter: Counter<"outcome">, counts: Record<typeof OUTCOMES[number], number>): void {
  for (const outcome of OUTCOMES) counter.inc({ outcome }, counts[outcome]);
}

function deviceOf(device: SyncTotals["devices"][number]): SyncDevice {
  const { deviceId, inserted, updated, unchanged, deleted, lagRows } = device;
  return {
    deviceId,
    inserted,
    updated,
    unchanged,
    deleted,
    lagRows,
    lastBatchAt: device.lastBatchAt?.toISOString() ?? null,
    lastHeartbeatAt: device.heartbeatAt?.toISOString() ?? null,
  };
}

function statusOf(totals: SyncTotals): SyncStatusResponse {
  const { messages, conversations, contacts, lastMessageAt, lastSyncedAt, devices } = totals;
  return {
    messages,
    conversations,
    contacts,
    lastMessageAt: lastMessageAt?.toISOString() ?? null,
    lastSyncedAt: lastSyncedAt?.toISOString() ?? null,
    devices: devices.map(deviceOf),
  };
}

/** Makes the sync service. */
export function createSyncService(options: SyncServiceOptions): SyncService {
  const { ingest, contacts, metrics, now, onOutbox } = options;
  const syncedMessages = metrics.counter("sync_messages_total", "Synced messages by what they changed", {
    labels: ["outcome"],
  });
  const syncedContacts = metrics.counter("sync_contacts_total", "Synced contacts by what they changed", {
    labels: ["outcome"],
  });
  return {
    async syncMessages(caller, batch) {
      const result = await ingest.ingestMessages(caller, batch);
      count(syncedMessages, result);
      return result;
    },
    async syncContacts(caller, batch) {
      const result = await contacts.upsert(caller.accountId, batch.contacts);
      count(syncedContacts, result);
      if (batch.deleted === undefined) return result;
      const deleted = await contacts.delete(caller.accountId, batch.deleted);
      syncedContacts.inc({ outcome: "deleted" }, deleted);
      return { ...result, deleted };
    },
    async syncDeletions(caller, { imessageGuids }) {
      const result = await ingest.deleteMessages(caller, imessageGuids);
      syncedMessages.inc({ outcome: "deleted" }, result.deleted);
      if (result.deleted > 0) onOutbox();
      return result;
    },
    async heartbeat(caller, report) {
      await ingest.noteHeartbeat(caller, report);
      return { receivedAt: now().toISOString() };
    },
    status: async ({ accountId }) => statusOf(await ingest.status(accountId)),
  };
}
