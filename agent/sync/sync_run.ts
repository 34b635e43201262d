/** Syncs everything: contacts first, then messages, and records the result. A dry run only counts. */
import { messageOf } from "../../lib/errors.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import { serverFault } from "../clients/server_faults.ts";
import type { StateFile } from "../platform/state_file.ts";
import { changedContacts, type ContactHashes, type ContactSyncReport, syncContacts } from "./contact_sync.ts";
import {
  dryRunMessages,
  type DryRunOptions as MessageDryRunOptions,
  type MessageDryRunReport,
  type MessageSyncOptions,
  type MessageSyncReport,
  syncMessages,
} from "./message_sync.ts";
import type { SyncCursor } from "./sync_cursor.ts";
import { loadRecord, type SyncRecord, type SyncSummary } from "./sync_record.ts";

/** What syncs store on disk. */
export interface SyncState {
  readonly cursors: StateFile<SyncCursor>;
  readonly contactHashes: StateFile<ContactHashes>;
  readonly records: StateFile<SyncRecord>;
}

/** See also `MessageSyncOptions`. */
export interface SyncRunOptions extends Omit<MessageSyncOptions, "cursors" | "records"> {
  /** Null leaves the contacts alone; then the server is not called unless there is something to send. */
  addressBook: AddressBook | null;
  state: SyncState;
}

/** `problems`: parts of the address book that could not be read; what was sent of them earlier stays. */
export type ContactsReport = ContactSyncReport & { readonly problems: readonly AddressBookProblem[] };

export interface DryRunOptions extends Omit<MessageDryRunOptions, "cursors"> {
  addressBook: AddressBook;
  state: Pick<SyncState, "cursors" | "contactHashes">;
}

export interface DryRunReport {
  readonly contacts: {
    readonly total: number;
    readonly toSend: number;
    readonly problems: readonly AddressBookProblem[];
  };
  readonly messages: MessageDryRunReport;
}

export interface SyncReport {
  readonly durationMs: number;
  /** Null when they were left alone. */
  readonly contacts: ContactsReport | null;
  readonly messages: MessageSyncReport;
}

async function syncAddressBook(
  { contacts, problems }: AddressBook,
  { server, syncTarget, state }: SyncRunOptions,
): Promise<ContactsReport> {
  // Even with nothing to send, a sync must not succeed when the server is unreachable or the pairing has ended.
  await server.currentDevice();
  const sent = await syncContacts(contacts, { server, syncTarget, ...state });
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

/** A sync that found nothing to send has not called the server either. */
function isWorthRecording({ contacts, messages }: Omit<SyncReport, "durationMs">): boolean {
  const { inserted, updated, unchanged, deleted, refused } = messages;
  return contacts !== null || inserted + updated + unchanged + deleted + refused > 0;
}

/**
 * Syncs until nothing is left to send.
 *
 * @throws UserError or ChatDatabaseError with a sentence for the person; the next sync continues from there
 */
export async function runSync(options: SyncRunOptions): Promise<SyncReport> {
  const { records } = options.state;
  const now = options.now ?? Date.now;
  const startedAtMs = now();
  try {
    const synced = await syncAll(options);
    const report = { durationMs: Math.max(0, now() - startedAtMs), ...synced };
    if (isWorthRecording(report)) {
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

/**
 * Counts what `runSync` would send. Sends nothing and changes nothing.
 *
 * @throws ChatDatabaseError when chat.db cannot be read
 */
export async function dryRun(options: DryRunOptions): Promise<DryRunReport> {
  const { addressBook: { contacts, problems }, state: { cursors, contactHashes }, ...rest } = options;
  const changed = await changedContacts(contacts, { contactHashes, syncTarget: rest.syncTarget });
  const messages = await dryRunMessages({ ...rest, cursors });
  return { contacts: { total: contacts.length, toSend: changed.length, problems }, messages };
}
