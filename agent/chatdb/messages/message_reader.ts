/** Reads messages: new rows after a mark in the order they were written, and known rows again. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { ChatDirectory } from "../chats/chat_directory.ts";
import { lastWriteMs } from "../file/database_file.ts";
import { isMarkMoved, RowsRenumberedError } from "../file/identity.ts";
import type { ChatMessage } from "./chat_message.ts";
import type { SkipReason } from "./message_class.ts";
import { MESSAGE_ROWS, type MessageRow } from "./message_row.ts";
import { type RowOutcome, RowReader, type RowVisitor } from "./row_reader.ts";
import { timestampChecksum, type TimestampFinder, timestampFinder, timestampsOf } from "./row_timestamps.ts";
import { RowAge } from "./row_age.ts";
import { integerOf, type Query, textOf } from "../file/sql_value.ts";

const DEFAULT_LIMIT = 1_000;
/** Chat rows have been seen to follow their message by 3 s. */
const DEFAULT_GRACE_PERIOD_MS = 10_000;
/** Far more rows than Messages leaves incomplete at a time: an orphan deep in the history is never waited for. */
const INCOMPLETE_ROWS = 10_000;

export interface ReadOptions {
  /** The most rows to scan, 1,000 by default. */
  limit?: number;
  /** The present, in Unix time. */
  nowMs: number;
  /** How long a row is incomplete while it lacks something (its chat, or all that is in it), 10 s by default. */
  gracePeriodMs?: number;
  /** Guid of the row at the mark, which proves that the rows are still numbered as before. */
  markGuid?: string | null;
}

/** A row that is no message of its own. */
export interface SkippedRow {
  rowId: number;
  reason: SkipReason;
  /** The message that a tapback belongs to. */
  targetGuid: string | null;
  /** See `timestampChecksum`. */
  timestampChecksum: number;
}

/** What one read found. */
export interface MessageBatch {
  messages: ChatMessage[];
  /** The mark for the next read: the last row scanned, whether or not it gave a message. */
  lastRowId: number;
  /** Guid of the row at that mark; the given one when no row was scanned. */
  lastGuid: string | null;
  /** True when more rows can be read at once. */
  hasMore: boolean;
  /** Rows that Messages may still be writing: to be read again later. */
  incompleteRows: number[];
  skippedRows: SkippedRow[];
  /** Messages whose body could not be decoded and whose `text` is empty; they are in `messages`, without words. */
  undecodableCount: number;
}

/** Reads messages from an open chat.db. Keeps small tables in memory, so one reader serves many reads. */
export class MessageReader {
  readonly directory: ChatDirectory;
  /** Search a large database in several calls, a slice each. */
  readonly findTimestamps: TimestampFinder;
  readonly #database: ChatDatabase;
  readonly #rows: RowReader;
  readonly #selectRows: (afterRowId: number, limit: number) => MessageRow[];
  readonly #selectSpan: (firstRowId: number, lastRowId: number) => MessageRow[];
  readonly #selectMaxRowId: Query;
  readonly #selectRowId: Query;
  readonly #selectRowIds: Query;
  readonly #selectGuid: Query;
  #rowAge = new RowAge();

  constructor(database: ChatDatabase) {
    this.#database = database;
    this.directory = new ChatDirectory(database);
    this.findTimestamps = timestampFinder(database);
    this.#rows = new RowReader(database, this.directory);
    this.#selectMaxRowId = database.prepare("SELECT MAX(ROWID) FROM message");
    this.#selectRowId = database.prepare("SELECT ROWID FROM message WHERE guid = ?");
    this.#selectRowIds = database.prepare(
      "SELECT ROWID FROM message WHERE ROWID BETWEEN ? AND ? ORDER BY ROWID",
    );
    this.#selectGuid = database.prepare("SELECT guid FROM message WHERE ROWID = ?");
    this.#selectRows = MESSAGE_ROWS.prepare(database, "message WHERE ROWID > ? ORDER BY ROWID LIMIT ?");
    this.#selectSpan = MESSAGE_ROWS.prepare(database, "message WHERE ROWID BETWEEN ? AND ? ORDER BY ROWID");
  }

  /**
   * Reads the rows after `rowId`, in the order they were written, all from one state of the database.
   *
   * @throws ChatDatabaseError when the database cannot be read, RowsRenumberedError when the mark's row has
   * another ROWID; nothing has been read then
   */
  readAfter(rowId: number, options: ReadOptions): MessageBatch {
    return this.#database.readTransaction(() => {
      const { limit = DEFAULT_LIMIT, markGuid = null } = options;
      const rows = this.#selectRows(rowId, limit + 1);
      if (isMarkMoved(this.#database, { markRowId: rowId, markGuid })) {
        throw new RowsRenumberedError();
      }
      const batch = emptyBatch(rowId, { lastGuid: markGuid, hasMore: rows.length > limit });
      if (batch.hasMore) rows.pop();
      this.#visit(rows, options, (row, outcome) => takeRow(batch, { row, outcome }));
      return batch;
    });
  }

  /**
   * Reads single rows again, all from one state of the database. Rows that are gone are not in the result.
   *
   * @throws ChatDatabaseError when the database cannot be read
   */
  readRows(rowIds: Iterable<number>, options: Omit<ReadOptions, "limit">): Map<number, RowOutcome> {
    const wanted = new Set(rowIds);
    const found = new Map<number, RowOutcome>();
    if (wanted.size === 0) return found;
    return this.#database.readTransaction(() => {
      for (const [first, last] of spansOf(wanted)) {
        const rows = this.#selectSpan(first, last).filter(({ rowId }) => wanted.has(rowId));
        this.#visit(rows, options, ({ rowId }, outcome) => found.set(rowId, outcome));
      }
      return found;
    });
  }

  /** The newest rows of some chats up to one, ascending. */
  newestRows(chatIds: readonly number[], { upTo, limit }: { upTo: number; limit: number }): number[] {
    const marks = chatIds.map(() => "?").join();
    const select = this.#database.prepare(`SELECT DISTINCT message_id FROM chat_message_join
      WHERE chat_id IN (${marks}) AND message_id <= ? ORDER BY message_id DESC LIMIT ?`);
    return select(...chatIds, upTo, limit).map(([rowId]) => integerOf(rowId)).reverse();
  }

  /** Some rows of a chat from after one up to another, ascending. */
  rowsOfChat(
    chatId: number,
    { after, upTo, limit }: { after: number; upTo: number; limit: number },
  ): number[] {
    const select = this.#database.prepare(`SELECT message_id FROM chat_message_join
      WHERE chat_id = ? AND message_id > ? AND message_id <= ? ORDER BY message_id LIMIT ?`);
    return select(chatId, after, upTo, limit).map(([rowId]) => integerOf(rowId));
  }

  /** The rows from one ROWID to another, ascending. */
  rowIds(firstRowId: number, lastRowId: number): number[] {
    return this.#selectRowIds(firstRowId, lastRowId).map(([rowId]) => integerOf(rowId));
  }

  /** The row of a message; null when there is none. */
  rowIdOf(guid: string): number | null {
    const [row] = this.#selectRowId(guid);
    return row === undefined ? null : integerOf(row[0]);
  }

  /** The guid of a row; null when the row is gone. */
  guidOf(rowId: number): string | null {
    return textOf(this.#selectGuid(rowId)[0]?.[0]);
  }

  /**
   * The tapbacks that this reader has seen and whose rows are gone: the message of each, by its ROWID. Messages deletes
   * the row of a removed tapback, and may leave none in its place.
   *
   * @throws ChatDatabaseError when the database cannot be read
   */
  deletedTapbacks(): ReadonlyMap<number, string> {
    return this.#database.readTransaction(() => this.#rows.reactions.deleted());
  }

  /** Forgets deleted tapbacks, once their messages were sent again. */
  forgetTapbacks(deleted: ReadonlyMap<number, string>): void {
    this.#rows.reactions.forgetDeleted(deleted);
  }

  /** Forgets what it knows of single rows, because they were renumbered. */
  forgetRows(): void {
    this.#rowAge = new RowAge();
    this.#rows.reactions.forget();
  }

  /** Messages that this reader has read carry all their reactions up to this row; 0 before the first read. */
  get reactionsRowId(): number {
    return this.#rows.reactions.loadedRowId;
  }

  /** Call it after the first query of the transaction: the file's last write then bounds the age of every row in it. */
  #visit(rows: readonly MessageRow[], options: ReadOptions, visit: RowVisitor): void {
    this.directory.refresh();
    this.#rows.reactions.load();
    const { nowMs, gracePeriodMs = DEFAULT_GRACE_PERIOD_MS } = options;
    const finalUntilMs = nowMs - gracePeriodMs;
    this.#rows.read(rows, { nowMs, finalUntilMs, finalRowId: this.#finalRowId(nowMs, finalUntilMs), visit });
  }

  #finalRowId(nowMs: number, finalUntilMs: number): number {
    const maxRowId = integerOf(this.#selectMaxRowId()[0]?.[0]);
    const atMs = Math.min(nowMs, lastWriteMs(this.#database.path));
    this.#rowAge.observe(maxRowId, { atMs, nowMs });
    return Math.max(this.#rowAge.finalRowId(finalUntilMs), maxRowId - INCOMPLETE_ROWS);
  }
}

/**
 * Reads one message by its guid; null when there is none.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function readMessage(
  database: ChatDatabase,
  { guid, nowMs }: { guid: string; nowMs: number },
): ChatMessage | null {
  const reader = new MessageReader(database);
  const rowId = reader.rowIdOf(guid);
  const outcome = rowId === null ? undefined : reader.readRows([rowId], { nowMs }).get(rowId);
  return outcome?.kind === "message" ? outcome.message : null;
}

/** Single rows close together are read in one span: the rows in between cost less than another query. */
const SPAN_ROWS = 1_000;
const SPAN_GAP_ROWS = 50;

/** Ranges that cover `rowIds` with few other rows. */
function spansOf(rowIds: Iterable<number>): [first: number, last: number][] {
  const spans: [number, number][] = [];
  for (const rowId of [...rowIds].sort((a, b) => a - b)) {
    const span = spans.at(-1);
    if (span && rowId - span[1] <= SPAN_GAP_ROWS && rowId - span[0] < SPAN_ROWS) span[1] = rowId;
    else spans.push([rowId, rowId]);
  }
  return spans;
}

/** Adds the outcome of a row. */
function takeRow(batch: MessageBatch, { row, outcome }: { row: MessageRow; outcome: RowOutcome }): void {
  batch.lastRowId = row.rowId;
  batch.lastGuid = row.guid;
  if (outcome.kind === "incomplete") batch.incompleteRows.push(row.rowId);
  else if (outcome.kind === "message") {
    batch.messages.push(outcome.message);
    if (outcome.isUndecodable) batch.undecodableCount++;
  } else {
    const { reason, targetGuid } = outcome;
    batch.skippedRows.push({
      rowId: row.rowId,
      reason,
      targetGuid,
      timestampChecksum: timestampChecksum(timestampsOf(row)),
    });
  }
}

/** A batch before its first row, at the mark `rowId`. */
function emptyBatch(
  rowId: number,
  { lastGuid, hasMore }: Pick<MessageBatch, "lastGuid" | "hasMore">,
): MessageBatch {
  return {
    messages: [],
    lastRowId: rowId,
    lastGuid,
    hasMore,
    incompleteRows: [],
    skippedRows: [],
    undecodableCount: 0,
  };
}
