/** Owns one whole sync: contacts first, then messages, and the record of what came of it. */
import { messageOf } from "../../lib/errors.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import { serverFault } from "../clients/server_faults.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { ContactHashes } from "./contact_hashes.ts";
import { wireContactOf } from "./contact_mapping.ts";
import { type ContactSyncReport, syncContacts } from "./contact_sync.ts";
import { type MessageSyncOptions, type MessageSyncReport, syncMessages } from "./message_sync.ts";
import type { SyncCursor } from "./sync_cursor.ts";
import { loadRecord, type SyncRecord, type SyncSummary } from "./sync_record.ts";

/** The state that syncs keep on disk. */
export interface SyncState {
  readonly cursors: StateFile<SyncCursor>;
  readonly contactHashes: StateFile<ContactHashes>;
  readonly records: StateFile<SyncRecord>;
}

/** See `MessageSyncOptions` for what is not told here. */
export interface SyncRunOptions extends Omit<MessageSyncOptions, "cursors" | "records"> {
  /** Null leaves the contacts as they are; then nothing is asked of the server unless there is something to send. */
  addressBook: AddressBook | null;
  state: SyncState;
}

/** `problems`: parts of the address book that could not be read; what was sent of them before stays. */
export type ContactsReport = ContactSyncReport & { readonly problems: readonly AddressBookProblem[] };

export interface SyncReport {
  readonly durationMs: number;
  /** Null when they were left as they are. */
  readonly contacts: ContactsReport | null;
  readonly messages: MessageSyncReport;
}

async function syncAddressBook(
  { contacts, problems }: AddressBook,
  { server, syncTarget, state }: SyncRunOptions,
): Promise<ContactsReport> {
  // Even with nothing to send, a sync must not succeed when the server is away or the pairing has ended.
  await server.currentDevice();
  const sent = await syncContacts(contacts.map(wireContactOf), { server, syncTarget, ...state });
  return { ...sent, problems };
}

async function syncAll(options: SyncRunOptions): Promise<Omit<SyncReport, "durationMs">> {
  const { addressBook, state, ...rest } = options;
  const contacts = addressBook === null ? null : await syncAddressBook(addressBook, options);
  return { contacts, messages: await syncMessages({ ...rest, ...state }) };
}

function summaryOf(report: SyncReport, endedAtMs: number): SyncSummary {
  const { inserted, updated, unchanged, deleted } = report.messages;
  return {
    endedAt: new Date(endedAtMs).toISOString(),
    durationMs: report.durationMs,
    contacts: report.contacts?.sent ?? 0,
    inserted,
    updated,
    unchanged,
    deleted,
  };
}

/** A look that found nothing to send asked the server nothing either. */
function isWorthNoting({ contacts, messages }: Omit<SyncReport, "durationMs">): boolean {
  const { inserted, updated, unchanged, deleted, refused } = messages;
  return contacts !== null || inserted + updated + unchanged + deleted + refused > 0;
}

/**
 * Syncs until nothing is left to send.
 *
 * @throws UserError or ChatDatabaseError with a sentence for the person; the next sync goes on from there
 */
export async function runSync(options: SyncRunOptions): Promise<SyncReport> {
  const { records } = options.state;
  const now = options.now ?? Date.now;
  const startedAtMs = now();
  try {
    const synced = await syncAll(options);
    const report = { durationMs: Math.max(0, now() - startedAtMs), ...synced };
    if (isWorthNoting(report)) {
      const lastSync = summaryOf(report, now());
      await records.save({ ...await loadRecord(records), lastSync, lastFailure: null });
    }
    return report;
  } catch (error) {
    const fault = serverFault(error, options.server.baseUrl);
    const lastFailure = { at: new Date(now()).toISOString(), message: messageOf(fault) };
    await records.save({ ...await loadRecord(records), lastFailure });
    throw fault;
  }
}
