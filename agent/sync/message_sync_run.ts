/** One run of the message sync: the reader, the state and the mark that its passes share. */
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { readDatabaseIdentity } from "../chatdb/file/identity.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { SyncCursor } from "../state/stored_values.ts";
import type { Checksums, SyncState } from "../state/sync_state.ts";
import { messagesSince, type SyncBatch } from "./batches.ts";
import {
  type ChangeScan,
  findAgain,
  type FoundChanges,
  newRepeats,
  noteBatch,
  noteFound,
} from "./changed_rows.ts";
import type { MessageUploader, SendOptions } from "./message_upload.ts";
import { addRefused } from "./sync_record.ts";

export interface MessageProgress {
  readonly rowsDone: number;
  /** Rows that waited when the sync began. */
  readonly rowsTotal: number;
}

export interface MessageSyncRunOptions {
  database: ChatDatabase;
  reader: MessageReader;
  state: SyncState;
  cursor: SyncCursor;
  uploader: MessageUploader;
  scan: ChangeScan;
  onProgress: (progress: MessageProgress) => void;
  now: () => number;
  batchMessages?: number;
}

export class MessageSyncRun {
  readonly options: MessageSyncRunOptions;
  readonly reader: MessageReader;
  readonly state: SyncState;
  readonly deletions: DeletionFinder;
  readonly counts = { skipped: 0, undecodable: 0, resent: 0, leftOut: 0 };
  /** Rows up to this one were read before this run. */
  readonly startRowId: number;
  cursor: SyncCursor;
  /** True when rows were left for the next sync, because Messages may still be writing them. */
  isIncomplete = false;
  /** Rows that waited when the run began, and those that have been read since. */
  readonly #rowsTotal: number;
  #rowsDone = 0;
  #lagRows = 0;

  constructor(options: MessageSyncRunOptions) {
    this.options = options;
    this.reader = options.reader;
    this.state = options.state;
    this.cursor = options.cursor;
    this.startRowId = this.markRowId;
    this.deletions = new DeletionFinder(options.database);
    this.#rowsTotal = countRowsAfter(options.database, this.startRowId);
    this.#reportProgress();
  }

  get nowMs(): number {
    return this.options.now();
  }

  /** Rows up to this one have been read and sent. */
  get markRowId(): number {
    return this.cursor.database.markRowId;
  }

  /** Reads rows again. */
  findAgain(rowIds: Iterable<number>): FoundChanges {
    return findAgain(this.reader, rowIds, { nowMs: this.nowMs });
  }

  /** Sends the messages of the next rows. */
  async sendNew({ messages, rows }: SyncBatch): Promise<void> {
    this.#lagRows = Math.max(0, this.#rowsTotal - this.#rowsDone - rows);
    this.counts.leftOut += messages.length - await this.#send(messages, "new");
  }

  /** Sends messages in their present form. */
  async sendChanged(messages: readonly ChatMessage[]): Promise<void> {
    this.counts.resent += await this.#send(messages, "changed");
  }

  /** Sends rows that were read again, and deletes those that were sent and now turn out to repeat another row. */
  async sendFound({ messages, outcomes }: FoundChanges): Promise<void> {
    await this.sendChanged(messages);
    const repeats = newRepeats(this.state, outcomes).map((rowId) => this.reader.guidOf(rowId));
    await this.options.uploader.delete(repeats.filter((guid) => guid !== null));
  }

  /** Stores in one step what the server has acknowledged, what it has refused, and how far the run has come. */
  commit(change: () => void): void {
    const { uploader, database } = this.options;
    const { markRowId, markGuid } = this.cursor.database;
    // The guid that was read with the row: looked up now, it could be that of another row of a rebuilt database.
    const identity = { ...readDatabaseIdentity(database, markRowId), markGuid };
    this.cursor = { ...this.cursor, database: identity };
    this.state.database.transaction(() => {
      addRefused(this.state.database, uploader.takeRefused());
      change();
      this.state.saveCursor(this.cursor);
    });
  }

  /** Notes what was sent of a batch, and what was seen of its rows that are no messages. */
  noteBatch(batch: SyncBatch): void {
    noteBatch(this.state, { batch, nowMs: this.nowMs });
    this.counts.skipped += batch.skipped.length;
    this.counts.undecodable += batch.undecodable;
  }

  /** See `noteFound`. */
  noteFound(found: FoundChanges, checksums?: Checksums): void {
    noteFound(this.state, { found, checksums, nowMs: this.nowMs });
  }

  /** Counts rows that are done. */
  advance({ rows }: Pick<SyncBatch, "rows">): void {
    this.#rowsDone += rows;
    this.#reportProgress();
  }

  /** Returns how many messages were not too old to be sent. */
  async #send(messages: readonly ChatMessage[], why: SendOptions["why"]): Promise<number> {
    const wanted = messagesSince(messages, this.cursor.sinceMs);
    await this.options.uploader.send(wanted, { why, lagRows: this.#lagRows });
    return wanted.length;
  }

  #reportProgress(): void {
    this.options.onProgress({ rowsDone: this.#rowsDone, rowsTotal: this.#rowsTotal });
  }
}
