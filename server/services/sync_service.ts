/** Owns what happens to synced batches: storing them and counting what they changed. */
import type {
  SyncContactsRequest,
  SyncContactsResponse,
  SyncMessagesRequest,
  SyncMessagesResponse,
  SyncStatusResponse,
} from "../../contract/sync.ts";
import type { Counter, Metrics } from "../../lib/metrics.ts";
import type { Caller } from "../auth/caller.ts";
import type { ContactStore } from "../store/contact_store.ts";
import type { MessageIngest } from "../store/message_ingest.ts";

export interface SyncServiceOptions {
  ingest: MessageIngest;
  contacts: ContactStore;
  metrics: Metrics;
}

export interface SyncService {
  /** Stores a batch whole or not at all; a repeated batch changes nothing. */
  syncMessages(caller: Caller, batch: SyncMessagesRequest): Promise<SyncMessagesResponse>;
  syncContacts(caller: Caller, batch: SyncContactsRequest): Promise<SyncContactsResponse>;
  status(caller: Caller): Promise<SyncStatusResponse>;
}

const OUTCOMES = ["inserted", "updated", "unchanged"] as const;

function count(counter: Counter, counts: Record<typeof OUTCOMES[number], number>): void {
  for (const outcome of OUTCOMES) counter.add({ outcome }, counts[outcome]);
}

/** Makes the sync service. */
export function createSyncService({ ingest, contacts, metrics }: SyncServiceOptions): SyncService {
  const syncedMessages = metrics.counter("sync_messages_total", "Synced messages by what they changed");
  const syncedContacts = metrics.counter("sync_contacts_total", "Synced contacts by what they changed");
  return {
    async syncMessages(caller, batch) {
      const result = await ingest.ingestMessages(caller, batch);
      count(syncedMessages, result);
      return result;
    },
    async syncContacts(caller, batch) {
      const result = await contacts.upsert(caller.accountId, batch.contacts);
      count(syncedContacts, result);
      return result;
    },
    async status(caller) {
      const { messages, conversations, contacts, lastMessageAt, lastSyncedAt } = await ingest.status(
        caller.accountId,
      );
      return {
        messages,
        conversations,
        contacts,
        lastMessageAt: lastMessageAt?.toISOString() ?? null,
        lastSyncedAt: lastSyncedAt?.toISOString() ?? null,
      };
    },
  };
}
