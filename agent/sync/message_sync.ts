/** Owns the sync of messages: reads on from the cursor, sends, and moves the cursor past what was acknowledged. */
import { UserError } from "../../lib/errors.ts";
import { MAX_SYNC_DELETIONS } from "../../contract/sync.ts";
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import { RowsRenumberedError } from "../chatdb/file/identity.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import { timestampChecksum } from "../chatdb/messages/row_timestamps.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { StateFile } from "../platform/state_file.ts";
import {
  changedTimestamps,
  type ChangeScan,
  findAgain,
  findWatched,
  type FoundChanges,
  knownRows,
} from "./changed_rows.ts";
import {
  type ChangeTracker,
  newestRows,
  noteOutcome,
  noteRecentlyDeleted,
  openTracker,
  pruneTracker,
  trackerFields,
  watchRow,
} from "./change_tracker.ts";
import { readBatch, type SyncBatch } from "./read_batch.ts";
import { MessageUploader, type SendTotals } from "./message_upload.ts";
import {
  type CursorWriter,
  cursorWriter,
  isWanted,
  type RestartReason,
  type SyncCursor,
  type SyncStart,
  syncStart,
} from "./sync_cursor.ts";
import { foldTimestamps, noteBlock, noteTimestamps } from "./timestamp_index.ts";
import { addRefused, loadRecord, type SyncRecord } from "./sync_record.ts";

export interface MessageSyncOptions {
  server: ServerClient;
  database: ChatDatabase;
  /** The account behind the pairing; see `ActivePairing`. */
  syncTarget: string;
  cursors: StateFile<SyncCursor>;
  records: StateFile<SyncRecord>;
  /** The reader of `database` from the sync before, which knows how long the newest rows have been there. */
  reader?: MessageReader;
  /** Which rows from before are looked at for edits; all of them by default. */
  scan?: ChangeScan;
  /** Leave out messages from before this Unix time, now and in later syncs. Another value walks all rows again. */
  sinceMs?: number;
  /** Called before the first row is read, and after each acknowledged round. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  batchMessages?: number;
}

export interface MessageProgress {
  readonly rowsDone: number;
  /** Rows that waited when the sync began. */
  readonly rowsTotal: number;
}

export interface MessageSyncReport extends Readonly<SendTotals> {
  readonly restart: RestartReason | null;
  readonly refused: number;
  /** Messages that were sent again because Messages had changed them; `updated` and `unchanged` count them too. */
  readonly resent: number;
  /** Rows that are no messages of their own, such as tapbacks and notes of the system. */
  readonly skipped: number;
  /** Messages left out because they are older than `--since`. */
  readonly leftOut: number;
  /** Messages sent without words because their body could not be decoded. */
  readonly undecodable: number;
  /** True when the last rows were left for the next sync, because Messages may still be writing them. */
  readonly isIncomplete: boolean;
}

/** Rows may be numbered anew while they are read; more often than this it is another fault. */
const MAX_RENUMBERINGS = 3;

/** One run from the cursor to the end of the database. */
class MessageSync {
  readonly #options: MessageSyncOptions;
  readonly #reader: MessageReader;
  readonly #sender: MessageUploader;
  readonly #deletions: DeletionFinder;
  readonly #start: SyncStart;
  readonly #ledger: ChangeTracker;
  readonly #saveCursor: CursorWriter;
  readonly #now: () => number;
  /** Watched rows up to this one were not looked at yet in this run. */
  #heldRowId: number;
  readonly #counts = { skipped: 0, undecodable: 0, resent: 0, leftOut: 0 };

  constructor(options: MessageSyncOptions & { reader: MessageReader }, start: SyncStart) {
    this.#options = options;
    this.#reader = options.reader;
    this.#sender = new MessageUploader(options.server);
    this.#start = start;
    this.#heldRowId = start.rowId;
    this.#deletions = new DeletionFinder(options.database);
    // Of what was deleted before the first sync no server can have anything; before another one it may.
    const deletedId = start.restart === null ? this.#deletions.lastId() : 0;
    this.#ledger = openTracker(start.cursor?.changes ?? null, deletedId);
    this.#saveCursor = cursorWriter(options, start);
    this.#now = options.now ?? Date.now;
  }

  async run(): Promise<MessageSyncReport> {
    const { restart } = this.#start;
    if (restart !== null) await this.#forget(restart);
    const last = await this.#walk();
    await this.#sendChanges(last);
    await this.#sendDeletions(last);
    await this.#sendPutAway(last);
    const { totals, refusals } = this.#sender;
    return { restart, ...totals, ...this.#counts, refused: refusals.total, isIncomplete: last.isIncomplete };
  }

  /** What was refused before a restart is tried again. */
  async #forget(restart: RestartReason): Promise<void> {
    const { cursors, records } = this.#options;
    this.#reader.forgetRows();
    if (restart === "cursor_broken") await cursors.setAside();
    await records.save({ ...await loadRecord(records), refused: [] });
  }

  async #walk(): Promise<SyncBatch> {
    const { database, onProgress } = this.#options;
    const rowsTotal = countRowsAfter(database, this.#start.rowId);
    let rowsDone = 0;
    onProgress?.({ rowsDone, rowsTotal });
    let round = this.#gather({ lastRowId: this.#start.rowId, lastGuid: this.#start.guid });
    while (true) {
      this.#sender.lagRows = Math.max(0, rowsTotal - rowsDone - round.rows);
      const sent = await this.#send(round.messages);
      this.#counts.leftOut += round.messages.length - sent;
      this.#note(round);
      await this.#sendReactions(round);
      await this.#save(round);
      rowsDone += round.rows;
      onProgress?.({ rowsDone, rowsTotal });
      if (!round.hasMore) return round;
      round = this.#gather(round);
    }
  }

  #gather({ lastRowId, lastGuid }: Mark): SyncBatch {
    const { batchMessages: messages } = this.#options;
    return readBatch(this.#reader, lastRowId, { nowMs: this.#now(), markGuid: lastGuid, messages });
  }

  /** Returns how many were not too old to be sent. */
  async #send(messages: readonly ChatMessage[]): Promise<number> {
    const wanted = messages.filter((message) => isWanted(message, this.#start.sinceMs));
    await this.#sender.send(wanted);
    return wanted.length;
  }

  /** Sends the earlier messages again that this round's tapbacks belong to, but for those that were read with them. */
  async #sendReactions({ passed, lastRowId }: SyncBatch): Promise<void> {
    const isNew = (tapbackRowId: number, targetRowId: number) =>
      targetRowId <= this.#start.rowId || tapbackRowId > this.#reader.reactionsRowId;
    const targets = passed.flatMap(({ rowId, targetGuid }) =>
      knownRows(this.#reader, targetGuid === null ? [] : [targetGuid], { lastRowId })
        .filter((target) => isNew(rowId, target))
    );
    await this.#sendAgain(findAgain(this.#reader, new Set(targets), { lastRowId, nowMs: this.#now() }));
  }

  /** Looks for changes in the rows up to the mark and sends what has changed. */
  async #sendChanges(mark: Mark): Promise<void> {
    const { scan = "full" } = this.#options;
    const { lastRowId } = mark;
    for await (const { sums, block } of changedTimestamps(this.#reader, this.#ledger, { lastRowId, scan })) {
      await this.#sendAgain(findAgain(this.#reader, sums.keys(), { lastRowId, nowMs: this.#now() }), sums);
      if (block !== null) noteBlock(this.#ledger.stamps, block);
      if (block !== null || sums.size > 0) await this.#save(mark);
    }
    await this.#sendAgain(findWatched(this.#reader, this.#ledger, { lastRowId, scan, nowMs: this.#now() }));
    this.#heldRowId = 0;
    await this.#save(mark);
  }

  /**
   * Tells of what was deleted for good since the last time. It comes after everything else: what was still there when
   * it was read and sent is deleted then.
   */
  async #sendDeletions(mark: Mark): Promise<void> {
    while (true) {
      const limit = MAX_SYNC_DELETIONS;
      const { guids, lastId } = this.#deletions.deletedAfter(this.#ledger.deletedId, { limit });
      if (lastId === this.#ledger.deletedId) return;
      await this.#sender.delete(guids);
      await this.#sendUnreacted(mark);
      this.#ledger.deletedId = lastId;
      await this.#save(mark);
    }
  }

  /** Sends the messages again whose tapbacks are gone, however old those were. */
  async #sendUnreacted({ lastRowId }: Mark): Promise<void> {
    const lost = this.#reader.deletedTapbacks();
    const targets = knownRows(this.#reader, new Set(lost.values()), { lastRowId });
    await this.#sendAgain(findAgain(this.#reader, targets, { lastRowId, nowMs: this.#now() }));
    this.#reader.forgetTapbacks(lost);
  }

  /** Tells of what was put into Recently Deleted, and sends what was brought back from there. */
  async #sendPutAway(mark: Mark): Promise<void> {
    const { lastRowId } = mark;
    const before = this.#ledger.putAway;
    const putAway = this.#deletions.recentlyDeleted(lastRowId);
    await this.#sender.delete([...putAway].flatMap(([rowId, guid]) => before.has(rowId) ? [] : [guid]));
    const left = [...before].filter((rowId) => !putAway.has(rowId));
    const found = findAgain(this.#reader, left, { lastRowId, nowMs: this.#now() });
    await this.#sendAgain(found);
    const unfinished = left.filter((rowId) => found.outcomes.get(rowId)?.kind === "incomplete");
    noteRecentlyDeleted(this.#ledger, [...putAway.keys(), ...unfinished]);
    await this.#save(mark);
  }

  /** Sends messages in their present form; only then is what was seen of their rows known. */
  async #sendAgain(
    { messages, outcomes }: FoundChanges,
    stamps: ReadonlyMap<number, number> = new Map(),
  ): Promise<void> {
    this.#counts.resent += await this.#send(messages);
    for (const [rowId, outcome] of outcomes) {
      noteOutcome(this.#ledger, rowId, { outcome, stamps, nowMs: this.#now() });
    }
  }

  #note(round: SyncBatch): void {
    const nowMs = this.#now();
    for (const message of round.messages) {
      noteTimestamps(this.#ledger.stamps, { rowId: message.rowId, sum: timestampChecksum(message) });
    }
    for (const message of newestRows(round.messages)) {
      watchRow(this.#ledger, message.rowId, { outcome: { kind: "message", message }, nowMs });
    }
    for (const row of round.passed) {
      noteTimestamps(this.#ledger.stamps, { rowId: row.rowId, sum: row.timestampChecksum });
      watchRow(this.#ledger, row.rowId, { outcome: { kind: "skipped", ...row }, nowMs });
    }
    this.#counts.skipped += round.passed.length;
    this.#counts.undecodable += round.undecodable;
  }

  /**
   * Moves the cursor, once everything up to it was acknowledged. Refusals are on the disk before that, so that none is
   * ever lost unseen.
   */
  async #save({ lastRowId, lastGuid }: Mark): Promise<void> {
    await addRefused(this.#options.records, this.#sender.refusals.take());
    pruneTracker(this.#ledger, { nowMs: this.#now(), heldRowId: this.#heldRowId });
    foldTimestamps(this.#ledger.stamps, lastRowId);
    await this.#saveCursor({ markRowId: lastRowId, markGuid: lastGuid }, trackerFields(this.#ledger));
  }
}

type Mark = Pick<SyncBatch, "lastRowId" | "lastGuid">;

/**
 * Sends every message after the cursor, until none is left, and those from before that have changed since.
 *
 * The cursor is stored after each round that the server has acknowledged whole. Ended at any point, the next sync
 * repeats at most one round, which the server recognises by its guids.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, and what `ServerClient` throws; the cursor then stands at
 * the last acknowledged round
 */
export async function syncMessages(options: MessageSyncOptions): Promise<MessageSyncReport> {
  const reader = options.reader ?? new MessageReader(options.database);
  for (let attempt = 1;; attempt++) {
    const start = await syncStart(options.cursors, options);
    try {
      return await new MessageSync({ ...options, reader }, start).run();
    } catch (error) {
      if (!(error instanceof RowsRenumberedError)) throw error;
      if (attempt === MAX_RENUMBERINGS) throw new UserError(error.message, { cause: error });
      reader.forgetRows();
    }
  }
}
