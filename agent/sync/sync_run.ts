/** Owns one whole sync: contacts first, then messages, and the record of what came of it. */
import { messageOf } from "../../lib/errors.ts";
import type { ChatDatabase } from "../chatdb/chat_database.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import type { ServerClient } from "../clients/server_client.ts";
import { serverFault } from "../clients/server_faults.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { ContactLedger } from "./contact_ledger.ts";
import { wireContactOf } from "./contact_mapping.ts";
import { type ContactSyncReport, syncContacts } from "./contact_sync.ts";
import { type MessageProgress, type MessageSyncReport, syncMessages } from "./message_sync.ts";
import type { SyncCursor } from "./sync_cursor.ts";
import { loadRecord, type SyncRecord, type SyncSummary } from "./sync_record.ts";

/** The state that syncs keep on disk. */
export interface SyncState {
  readonly cursors: StateFile<SyncCursor>;
  readonly ledgers: StateFile<ContactLedger>;
  readonly records: StateFile<SyncRecord>;
}

export interface SyncRunOptions {
  server: ServerClient;
  syncTarget: string;
  database: ChatDatabase;
  addressBook: AddressBook;
  state: SyncState;
  /** Called when the contacts are done and the messages begin. */
  onContacts?: (report: ContactsReport) => void;
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  roundMessages?: number;
}

/** `problems`: parts of the address book that could not be read; what was sent of them before stays. */
export type ContactsReport = ContactSyncReport & { readonly problems: readonly AddressBookProblem[] };

export interface SyncReport {
  readonly durationMs: number;
  readonly contacts: ContactsReport;
  readonly messages: MessageSyncReport;
}

async function syncAll(options: SyncRunOptions): Promise<Omit<SyncReport, "durationMs">> {
  const { server, syncTarget, state, database, addressBook, onProgress, now, roundMessages } = options;
  // Even with nothing to send, a sync must not succeed when the server is away or the pairing has ended.
  await server.currentDevice();
  const wireContacts = addressBook.contacts.map(wireContactOf);
  const sentContacts = await syncContacts(wireContacts, { server, syncTarget, ...state });
  const contacts = { ...sentContacts, problems: addressBook.problems };
  options.onContacts?.(contacts);
  const messages = await syncMessages({
    server,
    database,
    syncTarget,
    ...state,
    onProgress,
    now,
    roundMessages,
  });
  return { contacts, messages };
}

function summaryOf(report: SyncReport, endedAtMs: number): SyncSummary {
  const { inserted, updated, unchanged } = report.messages;
  return {
    endedAt: new Date(endedAtMs).toISOString(),
    durationMs: report.durationMs,
    contacts: report.contacts.sent,
    inserted,
    updated,
    unchanged,
  };
}

/**
 * Syncs until nothing is left to send.
 *
 * @throws StartError or ChatDatabaseError with a sentence for the person; the next sync goes on from there
 */
export async function runSync(options: SyncRunOptions): Promise<SyncReport> {
  const { records } = options.state;
  const now = options.now ?? Date.now;
  const startedAtMs = now();
  try {
    const synced = await syncAll(options);
    const report = { durationMs: Math.max(0, now() - startedAtMs), ...synced };
    const lastSync = summaryOf(report, now());
    await records.save({ ...await loadRecord(records), lastSync, lastFailure: null });
    return report;
  } catch (error) {
    const fault = serverFault(error, options.server.baseUrl);
    const lastFailure = { at: new Date(now()).toISOString(), message: messageOf(fault) };
    await records.save({ ...await loadRecord(records), lastFailure });
    throw fault;
  }
}
