/** One run of the message sync: the reader, the state and the mark that its passes share. */
import { type ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { readDatabaseIdentity } from "../chatdb/file/identity.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { SyncCursor } from "../state/stored_values.ts";
import type { Checksums, ReadOutcome, SyncState } from "../state/sync_state.ts";
import type { SyncBatch } from "./batches.ts";
import { type ChangeScan, messagesIn, newRepeats, noteAgain, type RowsAgain } from "./changed_rows.ts";
import { type MessageUploader, noteRefused, type SendOptions } from "./message_upload.ts";

export interface MessageProgress {
  readonly rowsDone: number;
  /** Rows that waited when the sync began. */
  readonly rowsTotal: number;
}

export interface SyncStartOptions {
  database: ChatDatabase;
  /** The account behind the pairing; an account that does not exist has been sent nothing. See `ActivePairing`. */
  syncTarget: string;
  /** Leave out messages from before this Unix time, now and in later syncs. Another value reads all rows again. */
  sinceMs?: number;
}

export interface MessageSyncOptions extends SyncStartOptions {
  state: SyncState;
  uploader: MessageUploader;
  /** Called before the first row is read, and after each acknowledged batch. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  batchMessages?: number;
  /** The reader of `database` from the sync before, which knows how long the newest rows have been there. */
  reader?: MessageReader;
  /** Which rows from before are checked for edits; all of them by default. */
  scan?: ChangeScan;
}

export class MessageSyncRun {
  readonly reader: MessageReader;
  readonly state: SyncState;
  readonly scan: ChangeScan;
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
  /** Of the messages that were sent since the last commit, or are too old to be. */
  readonly #outcomes = new Map<number, ReadOutcome>();

  /** @param start the reader of the database, and where to begin */
  constructor(readonly options: MessageSyncOptions, start: { reader: MessageReader; cursor: SyncCursor }) {
    ({ reader: this.reader, cursor: this.cursor } = start);
    this.state = options.state;
    this.scan = options.scan ?? "full";
    this.startRowId = this.markRowId;
    this.deletions = new DeletionFinder(options.database);
    this.#rowsTotal = countRowsAfter(options.database, this.startRowId);
    this.advance(0);
  }

  get nowMs(): number {
    return (this.options.now ?? Date.now)();
  }

  /** Rows up to this one have been read and sent. */
  get markRowId(): number {
    return this.cursor.database.markRowId;
  }

  /** Reads rows again. */
  read(rowIds: Iterable<number>): RowsAgain {
    const wanted = [...rowIds];
    const seen = this.reader.readRows(wanted, { nowMs: this.nowMs });
    return new Map(wanted.map((rowId) => [rowId, seen.get(rowId) ?? null]));
  }

  /** The rows of messages that were read before. */
  rowsOf(guids: Iterable<string>): number[] {
    const rowIds = Array.from(guids, (guid) => this.reader.rowIdOf(guid)).filter((rowId) => rowId !== null);
    return rowIds.filter((rowId) => rowId <= this.markRowId);
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
  async sendAgain(rows: RowsAgain, messages = messagesIn(rows)): Promise<void> {
    await this.sendChanged(messages);
    const repeats = newRepeats(this.state, rows).map((rowId) => this.reader.guidOf(rowId));
    await this.options.uploader.delete(repeats.filter((guid) => guid !== null));
  }

  /** Reads rows again, sends the messages among them, and notes how they are. See `noteAgain` for `checksums`. */
  async resend(rowIds: Iterable<number>, checksums?: Checksums): Promise<void> {
    const rows = this.read(rowIds);
    await this.sendAgain(rows);
    this.commit(() => this.noteAgain(rows, checksums));
  }

  /** Stores in one step what the server has acknowledged, what it has refused, and how far the run has come. */
  commit(change: () => void): void {
    const { uploader, database } = this.options;
    const { markRowId, markGuid } = this.cursor.database;
    // The guid that was read with the row: looked up now, it could be that of another row of a rebuilt database.
    const identity = { ...readDatabaseIdentity(database, markRowId), markGuid };
    this.cursor = { ...this.cursor, database: identity };
    this.state.database.transaction(() => {
      const refused = uploader.takeRefused();
      noteRefused(this.state.database, refused);
      change();
      for (const { rowId } of refused) this.#outcomes.set(rowId, "refused");
      for (const [rowId, outcome] of this.#outcomes) this.state.noteOutcome(rowId, outcome);
      this.state.saveCursor(this.cursor);
    });
    this.#outcomes.clear();
  }

  /** See `noteAgain` in `changed_rows.ts`. */
  noteAgain(rows: RowsAgain, checksums?: Checksums): void {
    noteAgain(this.state, rows, { checksums, nowMs: this.nowMs });
  }

  /** Counts rows that are done. */
  advance(rows: number): void {
    this.#rowsDone += rows;
    this.options.onProgress?.({ rowsDone: this.#rowsDone, rowsTotal: this.#rowsTotal });
  }

  /** Whether a message is older than `--since`; one without a time is not. */
  isTooOld({ sentAtMs }: ChatMessage): boolean {
    const { sinceMs } = this.cursor;
    return sinceMs !== null && sentAtMs !== null && sentAtMs < sinceMs;
  }

  /** Returns how many messages were not too old to be sent. */
  async #send(messages: readonly ChatMessage[], why: SendOptions["why"]): Promise<number> {
    const wanted = messages.filter((message) => !this.isTooOld(message));
    await this.options.uploader.send(wanted, { why, lagRows: this.#lagRows });
    for (const message of messages) {
      this.#outcomes.set(message.rowId, this.isTooOld(message) ? "left_out" : "stored");
    }
    return wanted.length;
  }
}
