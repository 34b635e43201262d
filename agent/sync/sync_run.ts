/** Syncs everything: contacts first, then messages, and records the result. A dry run only counts. */
import { messageOf } from "../../lib/errors.ts";
import { serverFault } from "../clients/server_faults.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import { DamagedStateError } from "../state/agent_database.ts";
import type { AgentStore } from "../state/agent_store.ts";
import type { SyncSummary } from "../state/stored_values.ts";
import { SyncState } from "../state/sync_state.ts";
import { changedContacts, type ContactsReport, syncContacts } from "./contact_sync.ts";
import { type MessageCounts, syncMessages } from "./message_sync.ts";
import type { MessageSyncOptions } from "./message_sync_run.ts";
import { CountingUploader, ServerUploader, type UploadTotals } from "./message_upload.ts";

/** See also `MessageSyncOptions`. */
export interface DryRunOptions extends Omit<MessageSyncOptions, "state" | "uploader"> {
  addressBook: AddressBook;
  /** Where syncs store what they have sent. */
  store: AgentStore;
}

export interface SyncRunOptions extends Omit<DryRunOptions, "addressBook"> {
  server: ServerClient;
  /** Null leaves the contacts alone; then the server is not called unless there is something to send. */
  addressBook: AddressBook | null;
}

/** `updated` and `unchanged` count the messages that were sent again too. */
export interface MessageSyncReport extends MessageCounts, Readonly<UploadTotals> {
  readonly refused: number;
}

export interface SyncReport {
  readonly durationMs: number;
  /** Null when they were left alone. */
  readonly contacts: ContactsReport | null;
  readonly messages: MessageSyncReport;
}

export interface DryRunReport {
  readonly contacts: {
    readonly total: number;
    readonly toSend: number;
    readonly problems: readonly AddressBookProblem[];
  };
  readonly messages: Omit<MessageCounts, "resent"> & {
    /** New messages, and the conversations that they are in. */
    readonly toSend: number;
    readonly conversations: number;
    /** Messages that were sent before and have changed. */
    readonly changed: number;
    /** Rows that were deleted since, for good or into Recently Deleted. */
    readonly deleted: number;
  };
}

/**
 * Syncs until nothing is left to send.
 *
 * @throws UserError or ChatDatabaseError with a sentence for the person; the next sync continues from there
 */
export async function runSync(options: SyncRunOptions): Promise<SyncReport> {
  const { store, now = Date.now } = options;
  try {
    return await syncOnce(options);
  } catch (error) {
    if (error instanceof DamagedStateError) {
      // It was damaged where a look at the file had not shown it. Everything is sent again, once.
      store.setAside(error);
      return await syncOnce(options);
    }
    const fault = serverFault(error, options.server.baseUrl);
    const failure = { at: new Date(now()).toISOString(), message: messageOf(fault) };
    store.write((database) => database.document("last_failure").put(failure));
    throw fault;
  }
}

async function syncOnce(options: SyncRunOptions): Promise<SyncReport> {
  const { addressBook, server, syncTarget, now = Date.now } = options;
  const startedAtMs = now();
  using database = options.store.open();
  if ((options.scan ?? "full") === "full") database.check();
  // Even with nothing to send, a sync must not succeed when the server is unreachable or the pairing has ended.
  if (addressBook !== null) await server.currentDevice();
  const contacts = addressBook && await syncContacts(addressBook, { server, syncTarget, database });
  const uploader = new ServerUploader(server);
  const counts = await syncMessages({ ...options, state: new SyncState(database), uploader });
  const messages = { ...counts, ...uploader.totals, refused: uploader.refusals.total };
  const report = { durationMs: Math.max(0, now() - startedAtMs), contacts, messages };
  if (!isWorthRecording(report)) return report;
  database.transaction(() => {
    database.document("last_sync").put(summaryOf(report, now()));
    // A failure before it is over.
    database.document("last_failure").delete();
  });
  return report;
}

/**
 * Counts what `runSync` would send. Sends nothing and changes nothing.
 *
 * @throws ChatDatabaseError when chat.db cannot be read
 */
export async function dryRun(options: DryRunOptions): Promise<DryRunReport> {
  const { addressBook: { contacts, problems }, store, ...rest } = options;
  using database = store.copy();
  const toSend = changedContacts(contacts, { ...rest, database }).length;
  const state = new SyncState(database);
  const isFirst = state.cursor === null;
  const uploader = new CountingUploader();
  const { resent: changed, ...counts } = await syncMessages({ ...rest, state, uploader });
  const { newMessages, conversations, deletions } = uploader;
  // A server that has nothing of this database has nothing to delete.
  const deleted = isFirst || counts.restart !== null ? 0 : deletions;
  const sent = { changed, deleted, toSend: newMessages, conversations };
  return { contacts: { total: contacts.length, toSend, problems }, messages: { ...counts, ...sent } };
}

function summaryOf({ contacts, durationMs, messages }: SyncReport, endedAtMs: number): SyncSummary {
  const { inserted, updated, unchanged, deleted } = messages;
  const counts = { contacts: contacts?.sent ?? 0, inserted, updated, unchanged, deleted };
  return { endedAt: new Date(endedAtMs).toISOString(), durationMs, ...counts };
}

/** A sync that found nothing to send has not called the server either. */
function isWorthRecording({ contacts, messages }: SyncReport): boolean {
  const { inserted, updated, unchanged, deleted, refused } = messages;
  return contacts !== null || inserted + updated + unchanged + deleted + refused > 0;
}
