/** Owns the reading of messages: new rows after a mark in the order they were written, and known rows once more. */
import type { ChatDatabase } from "./chat_database.ts";
import { ChatDirectory } from "./chat_directory.ts";
import type { ChatMessage } from "./chat_message.ts";
import { lastWriteMs } from "./database_file.ts";
import { type EditedRowsFinder, editedRowsFinder } from "./edited_rows.ts";
import { isMarkMoved, RowsRenumberedError } from "./identity.ts";
import { SKIP_REASONS, type SkipReason } from "./message_class.ts";
import { type MessageRow, messageRowColumns, messageRowOf } from "./message_row.ts";
import { type RowOutcome, RowReader, type RowVisitor } from "./row_reader.ts";
import { SettleClock } from "./settle_clock.ts";
import { integerOf, type Query } from "./sql_value.ts";

const DEFAULT_LIMIT = 1_000;
/** Chat rows have been seen to follow their message by 3 s. */
const DEFAULT_SETTLE_MS = 10_000;
/** Far more rows than Messages leaves unfinished at a time: an orphan deep in the history never holds up a sync. */
const UNFINISHED_ROWS = 10_000;
/** Rows that are read together when single ones are asked for: neighbours cost less than another query. */
const SPAN_ROWS = 1_000;
const SPAN_GAP_ROWS = 50;

export interface ReadOptions {
  /** The most rows to scan, 1,000 by default. */
  limit?: number;
  /** The present, in Unix time. */
  nowMs: number;
  /** How long an unfinished row (no chat, or nothing in it yet) is held back, 10 s by default. */
  settleMs?: number;
  /** Guid of the row at the mark, by which it is seen that the rows are still numbered as they were. */
  markGuid?: string | null;
}

/** A row that is no message of its own. */
export interface PassedRow {
  rowId: number;
  reason: SkipReason;
  /** The message that a tapback belongs to. */
  targetGuid: string | null;
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
  /** The row at which reading stopped because Messages may still be writing it: read again later. Null for none. */
  heldBackRowId: number | null;
  /** Rows passed over, by reason, and one by one. */
  skipped: Record<SkipReason, number>;
  passed: PassedRow[];
  /** Messages whose body could not be decoded and whose `text` is empty; they are in `messages`, without words. */
  undecodableCount: number;
}

/** Reads messages from an open chat.db. Keeps small tables in memory, so one reader serves many reads. */
export class MessageReader {
  readonly directory: ChatDirectory;
  /** See `EditedRowsFinder`; slices of a large database go in calls of their own. */
  readonly findEditedRows: EditedRowsFinder;
  readonly #database: ChatDatabase;
  readonly #rows: RowReader;
  readonly #selectRows: Query;
  readonly #selectSpan: Query;
  readonly #selectMaxRowId: Query;
  readonly #selectRowId: Query;
  #settleClock = new SettleClock();

  constructor(database: ChatDatabase) {
    this.#database = database;
    this.directory = new ChatDirectory(database);
    this.findEditedRows = editedRowsFinder(database);
    this.#rows = new RowReader(database, this.directory);
    const columns = messageRowColumns(database.schema);
    this.#selectMaxRowId = database.prepare("SELECT MAX(ROWID) FROM message");
    this.#selectRowId = database.prepare("SELECT ROWID FROM message WHERE guid = ?");
    this.#selectRows = database.prepare(
      `SELECT ${columns} FROM message WHERE ROWID > ? ORDER BY ROWID LIMIT ?`,
    );
    this.#selectSpan = database.prepare(
      `SELECT ${columns} FROM message WHERE ROWID BETWEEN ? AND ? ORDER BY ROWID`,
    );
  }

  /**
   * Reads the rows after `rowId`, in the order they were written, all from one state of the database.
   *
   * @throws ChatDatabaseError when the database cannot be read, RowsRenumberedError when the mark's row stands
   * elsewhere; nothing has been taken then
   */
  readAfter(rowId: number, options: ReadOptions): MessageBatch {
    return this.#database.readTransaction(() => {
      const { limit = DEFAULT_LIMIT, markGuid = null } = options;
      const rows = this.#selectRows(rowId, limit + 1).map(messageRowOf);
      if (isMarkMoved(this.#database, { markRowId: rowId, markGuid })) {
        throw new RowsRenumberedError();
      }
      const batch = emptyBatch(rowId, { lastGuid: markGuid, hasMore: rows.length > limit });
      if (batch.hasMore) rows.pop();
      this.#visit(rows, options, (row, outcome) => take(batch, row, outcome));
      return batch;
    });
  }

  /**
   * Reads single rows once more, all from one state of the database. Rows that are gone are not in the result.
   *
   * @throws ChatDatabaseError when the database cannot be read
   */
  readRows(rowIds: Iterable<number>, options: Omit<ReadOptions, "limit">): Map<number, RowOutcome> {
    const wanted = new Set(rowIds);
    const found = new Map<number, RowOutcome>();
    if (wanted.size === 0) return found;
    return this.#database.readTransaction(() => {
      for (const [first, last] of spansOf(wanted)) {
        const rows = this.#selectSpan(first, last).map(messageRowOf).filter(({ rowId }) => wanted.has(rowId));
        this.#visit(rows, options, ({ rowId }, outcome) => {
          found.set(rowId, outcome);
          return true;
        });
      }
      return found;
    });
  }

  /** The row of a message; null when there is none. */
  rowIdOf(guid: string): number | null {
    const [row] = this.#selectRowId(guid);
    return row === undefined ? null : integerOf(row[0]);
  }

  /** Forgets what it knows of single rows, because they are numbered anew. */
  forgetRows(): void {
    this.#settleClock = new SettleClock();
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
    this.#rows.read(rows, { nowMs: options.nowMs, settledRowId: this.#settledRowId(options), visit });
  }

  #settledRowId({ nowMs, settleMs = DEFAULT_SETTLE_MS }: ReadOptions): number {
    const maxRowId = integerOf(this.#selectMaxRowId()[0]?.[0]);
    const atMs = Math.min(nowMs, lastWriteMs(this.#database.path));
    this.#settleClock.observe(maxRowId, { atMs, nowMs });
    return Math.max(this.#settleClock.settledRowId(nowMs - settleMs), maxRowId - UNFINISHED_ROWS);
  }
}

/** Ranges that cover `rowIds` with few rows besides. */
function spansOf(rowIds: Iterable<number>): [first: number, last: number][] {
  const spans: [number, number][] = [];
  for (const rowId of [...rowIds].sort((a, b) => a - b)) {
    const span = spans.at(-1);
    if (span && rowId - span[1] <= SPAN_GAP_ROWS && rowId - span[0] < SPAN_ROWS) span[1] = rowId;
    else spans.push([rowId, rowId]);
  }
  return spans;
}

/** Returns whether to go on: not past a row that Messages may still be writing. */
function take(batch: MessageBatch, row: MessageRow, outcome: RowOutcome): boolean {
  if (outcome.kind === "unfinished") {
    batch.hasMore = false;
    batch.heldBackRowId = row.rowId;
    return false;
  }
  batch.lastRowId = row.rowId;
  batch.lastGuid = row.guid;
  if (outcome.kind === "message") {
    batch.messages.push(outcome.message);
    if (outcome.isUndecodable) batch.undecodableCount++;
  } else {
    const { reason, targetGuid } = outcome;
    batch.skipped[reason]++;
    batch.passed.push({ rowId: row.rowId, reason, targetGuid });
  }
  return true;
}

function emptyBatch(
  rowId: number,
  { lastGuid, hasMore }: Pick<MessageBatch, "lastGuid" | "hasMore">,
): MessageBatch {
  return {
    messages: [],
    lastRowId: rowId,
    lastGuid,
    hasMore,
    heldBackRowId: null,
    skipped: Object.fromEntries(SKIP_REASONS.map((reason) => [reason, 0])) as Record<SkipReason, number>,
    passed: [],
    undecodableCount: 0,
  };
}
