/** One run of the message sync: the reader, the change tracker and the mark that its passes share. */
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import type { SyncBatch } from "./batches.ts";
import { type ChangeScan, findAgain, type FoundChanges } from "./changed_rows.ts";
import {
  type ChangeTracker,
  noteOutcome,
  openTracker,
  pruneTracker,
  type TrackerFields,
  trackerFields,
} from "./change_tracker.ts";
import type { MessageUploader, SendOptions } from "./message_upload.ts";
import { isWanted, type SyncStart } from "./sync_cursor.ts";
import { foldIntoBlocks } from "./timestamp_index.ts";

/** A place in the rows of the database: the last row read, and its guid. */
export type Mark = Pick<SyncBatch, "lastRowId" | "lastGuid">;

export interface MessageProgress {
  readonly rowsDone: number;
  /** Rows that waited when the sync began. */
  readonly rowsTotal: number;
}

export interface MessageSyncRunOptions {
  database: ChatDatabase;
  reader: MessageReader;
  start: SyncStart;
  uploader: MessageUploader;
  /** Stores the mark and what is known of the rows up to it. */
  save: (mark: Mark, changes: TrackerFields) => Promise<void>;
  scan: ChangeScan;
  onProgress: (progress: MessageProgress) => void;
  now: () => number;
  batchMessages?: number;
}

export class MessageSyncRun {
  readonly options: MessageSyncRunOptions;
  readonly reader: MessageReader;
  readonly deletions: DeletionFinder;
  readonly tracker: ChangeTracker;
  readonly counts = { skipped: 0, undecodable: 0, resent: 0, leftOut: 0 };
  /** Rows up to this one have been read and sent. */
  mark: Mark;
  /** Watched rows up to this one were not compared yet in this run. */
  uncomparedRowId: number;
  /** True when the last rows were left for the next sync, because Messages may still be writing them. */
  isIncomplete = false;
  /** Rows that waited when the run began, and those that have been read since. */
  readonly #rowsTotal: number;
  #rowsDone = 0;
  #lagRows = 0;

  constructor(options: MessageSyncRunOptions) {
    const { database, reader, start } = options;
    this.options = options;
    this.reader = reader;
    this.mark = { lastRowId: start.rowId, lastGuid: start.guid };
    this.uncomparedRowId = start.rowId;
    this.deletions = new DeletionFinder(database);
    // Of what was deleted before the first sync no server can have anything; before another one it may.
    const deletedId = start.restart === null ? this.deletions.lastId() : 0;
    this.tracker = openTracker(start.cursor?.changes ?? null, deletedId);
    this.#rowsTotal = countRowsAfter(database, start.rowId);
    this.#reportProgress();
  }

  get nowMs(): number {
    return this.options.now();
  }

  /** Reads rows again, up to the mark. */
  findAgain(rowIds: Iterable<number>): FoundChanges {
    return findAgain(this.reader, rowIds, { lastRowId: this.mark.lastRowId, nowMs: this.nowMs });
  }

  /** Sends the messages of the next rows. */
  async sendNew({ messages, rows }: SyncBatch): Promise<void> {
    this.#lagRows = Math.max(0, this.#rowsTotal - this.#rowsDone - rows);
    this.counts.leftOut += messages.length - await this.#send(messages, "new");
  }

  /** Sends messages in their present form; only then is what was seen of their rows known. */
  async sendAgain(
    { messages, outcomes }: FoundChanges,
    timestamps: ReadonlyMap<number, number> = new Map(),
  ): Promise<void> {
    this.counts.resent += await this.#send(messages, "changed");
    for (const [rowId, outcome] of outcomes) {
      noteOutcome(this.tracker, rowId, { outcome, timestamps, nowMs: this.nowMs });
    }
  }

  /** Stores the mark, once everything up to it was acknowledged. */
  async save(): Promise<void> {
    pruneTracker(this.tracker, { nowMs: this.nowMs, uncomparedRowId: this.uncomparedRowId });
    foldIntoBlocks(this.tracker.timestamps, this.mark.lastRowId);
    await this.options.save(this.mark, trackerFields(this.tracker));
  }

  /** Counts rows that are done. */
  advance({ rows }: Pick<SyncBatch, "rows">): void {
    this.#rowsDone += rows;
    this.#reportProgress();
  }

  /** Returns how many messages were not too old to be sent. */
  async #send(messages: readonly ChatMessage[], why: SendOptions["why"]): Promise<number> {
    const wanted = messages.filter((message) => isWanted(message, this.options.start.sinceMs));
    await this.options.uploader.send(wanted, { why, lagRows: this.#lagRows });
    return wanted.length;
  }

  #reportProgress(): void {
    this.options.onProgress({ rowsDone: this.#rowsDone, rowsTotal: this.#rowsTotal });
  }
}
