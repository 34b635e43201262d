/** Owns the look at what a sync would send. Reads and counts, sends nothing and changes nothing. */
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import { changedTimestamps, findAgain, findWatched } from "./changed_rows.ts";
import { openTracker } from "./change_tracker.ts";
import { wireContactOf } from "./contact_mapping.ts";
import { changedContacts } from "./contact_sync.ts";
import { readBatch } from "./read_batch.ts";
import type { MessageProgress } from "./message_sync.ts";
import { isWanted, type RestartReason, type SyncStart, syncStart } from "./sync_cursor.ts";
import type { SyncState } from "./sync_run.ts";

export interface DryRunOptions {
  database: ChatDatabase;
  addressBook: AddressBook;
  /** The account behind the pairing; an account that does not exist has been sent nothing. */
  syncTarget: string;
  state: Pick<SyncState, "cursors" | "contactHashes">;
  sinceMs?: number;
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now: () => number;
}

export interface DryRunReport {
  readonly contacts: {
    readonly total: number;
    readonly toSend: number;
    readonly problems: readonly AddressBookProblem[];
  };
  readonly messages: {
    readonly restart: RestartReason | null;
    /** New messages, and the conversations that they are in. */
    readonly toSend: number;
    readonly conversations: number;
    /** Messages that were sent before and have changed. */
    readonly changed: number;
    /** Rows that were deleted since, for good or into Recently Deleted. */
    readonly deleted: number;
    readonly skipped: number;
    readonly leftOut: number;
    readonly undecodable: number;
    readonly isIncomplete: boolean;
  };
}

async function countContacts(options: DryRunOptions): Promise<DryRunReport["contacts"]> {
  const { addressBook, syncTarget, state } = options;
  const contacts = addressBook.contacts.map(wireContactOf);
  const changed = await changedContacts(contacts, { ...state, syncTarget });
  return { total: contacts.length, toSend: changed.length, problems: addressBook.problems };
}

type NewMessages = Omit<DryRunReport["messages"], "restart" | "changed" | "deleted">;

function countNew(reader: MessageReader, start: SyncStart, options: DryRunOptions): NewMessages {
  const rowsTotal = countRowsAfter(options.database, start.rowId);
  const conversations = new Set<string | null>();
  const counts = { toSend: 0, skipped: 0, leftOut: 0, undecodable: 0, isIncomplete: false };
  let mark = { lastRowId: start.rowId, lastGuid: start.guid, hasMore: true };
  while (mark.hasMore) {
    const round = readBatch(reader, mark.lastRowId, { nowMs: options.now(), markGuid: mark.lastGuid });
    const wanted = round.messages.filter((message) => isWanted(message, start.sinceMs));
    for (const { conversation } of wanted) conversations.add(conversation?.id ?? null);
    counts.toSend += wanted.length;
    counts.leftOut += round.messages.length - wanted.length;
    counts.skipped += round.passed.length;
    counts.undecodable += round.undecodable;
    counts.isIncomplete = round.isIncomplete;
    options.onProgress?.({ rowsDone: counts.toSend + counts.leftOut + counts.skipped, rowsTotal });
    mark = round;
  }
  return { ...counts, conversations: conversations.size };
}

/** Counts as the sync does, but for tapbacks on messages that were sent before, which count with their rows. */
async function countChanged(reader: MessageReader, start: SyncStart, nowMs: number): Promise<number> {
  const lastRowId = start.rowId;
  const ledger = openTracker(start.cursor?.changes ?? null, 0);
  const found = findWatched(reader, ledger, { lastRowId, nowMs, scan: "full" });
  const changed = new Set(found.messages.map(({ rowId }) => rowId));
  for await (const { sums } of changedTimestamps(reader, ledger, { lastRowId, scan: "full" })) {
    const { messages } = findAgain(reader, sums.keys(), { lastRowId, nowMs });
    for (const message of messages) if (isWanted(message, start.sinceMs)) changed.add(message.rowId);
  }
  return changed.size;
}

function countDeleted(database: ChatDatabase, { rowId, cursor }: SyncStart): number {
  if (cursor === null) return 0;
  const finder = new DeletionFinder(database);
  const { deletedId, putAway } = cursor.changes;
  const known = new Set(putAway);
  const gone = finder.deletedAfter(deletedId, { limit: Number.MAX_SAFE_INTEGER }).guids.length;
  return gone + [...finder.recentlyDeleted(rowId).keys()].filter((id) => !known.has(id)).length;
}

/**
 * Counts what `runSync` would send.
 *
 * @throws ChatDatabaseError or RowsRenumberedError when chat.db cannot be read
 */
export async function dryRun(options: DryRunOptions): Promise<DryRunReport> {
  const { database, state } = options;
  const contacts = await countContacts(options);
  const start = await syncStart(state.cursors, options);
  const reader = new MessageReader(database);
  const changed = await countChanged(reader, start, options.now());
  const deleted = countDeleted(database, start);
  const { restart } = start;
  return { contacts, messages: { restart, changed, deleted, ...countNew(reader, start, options) } };
}
