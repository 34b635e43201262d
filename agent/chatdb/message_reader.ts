/** Owns the reading of new messages: rows after a mark, in the order they were written, as records. */
import { unixMsOf } from "./apple_time.ts";
import type { ChatDatabase } from "./chat_database.ts";
import { ChatDirectory } from "./chat_directory.ts";
import type { ChatMessage, MessageAttachment } from "./chat_message.ts";
import { lastWriteMs } from "./database_file.ts";
import { type AttachmentFinder, attachmentFinder } from "./message_attachments.ts";
import { type ChatFinder, chatFinder } from "./message_chats.ts";
import { SKIP_REASONS, type SkipReason, skipReasonOf } from "./message_class.ts";
import { isEmptyMessage, lacksFiles, messageRecord } from "./message_record.ts";
import { type MessageRow, messageRowColumns, messageRowOf } from "./message_row.ts";
import { messageTextOf } from "./message_text.ts";
import { TwinFinder } from "./self_chat.ts";
import { SettleClock } from "./settle_clock.ts";
import { integerOf, type Query } from "./sql_value.ts";

const DEFAULT_LIMIT = 1_000;
/** Chat rows have been seen to follow their message by 3 s. */
const DEFAULT_SETTLE_MS = 10_000;
/** Far more rows than Messages leaves unfinished at a time: an orphan deep in the history never holds up a sync. */
const UNFINISHED_ROWS = 10_000;

export interface ReadOptions {
  /** The most rows to scan, 1,000 by default. */
  limit?: number;
  /** The present, in Unix time. */
  nowMs: number;
  /** How long an unfinished row (no chat, or nothing in it yet) is held back, 10 s by default. */
  settleMs?: number;
}

/** What one read found. */
export interface MessageBatch {
  messages: ChatMessage[];
  /** The mark for the next read: the last row scanned, whether or not it gave a message. */
  lastRowId: number;
  /** True when more rows can be read at once. */
  hasMore: boolean;
  /** The row at which reading stopped because Messages may still be writing it: read again later. Null for none. */
  heldBackRowId: number | null;
  /** Rows passed over, by reason. */
  skipped: Record<SkipReason, number>;
  /** Messages whose body could not be decoded and whose `text` is empty; they are in `messages`, without words. */
  undecodableCount: number;
}

/** What a row turned out to be: a message, something to pass over, or a row that Messages is still writing. */
type Outcome = { message: ChatMessage; isUndecodable: boolean } | SkipReason | "unfinished";

interface Circumstances {
  nowMs: number;
  chatId: number | null;
  files: MessageAttachment[];
  /** True when the row has been there for the settle window, so that what it lacks will not come. */
  isSettled: boolean;
}

/** Reads messages from an open chat.db. Keeps small tables in memory, so one reader serves many reads. */
export class MessageReader {
  readonly directory: ChatDirectory;
  readonly #database: ChatDatabase;
  readonly #selectRows: Query;
  readonly #selectMaxRowId: Query;
  readonly #selectRecentlyDeleted: Query;
  readonly #findChats: ChatFinder;
  readonly #findAttachments: AttachmentFinder;
  readonly #twins: TwinFinder;
  readonly #settleClock = new SettleClock();

  constructor(database: ChatDatabase) {
    this.#database = database;
    this.directory = new ChatDirectory(database);
    this.#twins = new TwinFinder(database, this.directory);
    this.#findChats = chatFinder(database);
    this.#findAttachments = attachmentFinder(database);
    this.#selectMaxRowId = database.prepare("SELECT MAX(ROWID) FROM message");
    this.#selectRows = database.prepare(
      `SELECT ${messageRowColumns(database.schema)} FROM message WHERE ROWID > ? ORDER BY ROWID LIMIT ?`,
    );
    this.#selectRecentlyDeleted = database.schema.has("chat_recoverable_message_join")
      ? database.prepare("SELECT 1 FROM chat_recoverable_message_join WHERE message_id = ? LIMIT 1")
      : () => [];
  }

  /**
   * Reads the rows after `rowId`, in the order they were written, all from one state of the database.
   *
   * @throws ChatDatabaseError when the database cannot be read; nothing has been taken then
   */
  readAfter(rowId: number, options: ReadOptions): MessageBatch {
    return this.#database.readTransaction(() => this.#readBatch(rowId, options));
  }

  #readBatch(rowId: number, { limit = DEFAULT_LIMIT, ...options }: ReadOptions): MessageBatch {
    const rows = this.#selectRows(rowId, limit + 1).map(messageRowOf);
    const batch = emptyBatch(rowId, { hasMore: rows.length > limit });
    if (batch.hasMore) rows.pop();
    this.directory.refresh();
    const settledRowId = this.#settledRowId(options);
    const range = [rows[0]?.rowId ?? 0, rows.at(-1)?.rowId ?? 0] as const;
    const chatIds = this.#findChats(...range);
    const filesOf = this.#findAttachments(...range);
    for (const row of rows) {
      const outcome = this.#read(row, {
        nowMs: options.nowMs,
        chatId: chatIds.get(row.rowId) ?? null,
        files: filesOf.get(row.rowId) ?? [],
        isSettled: row.rowId <= settledRowId,
      });
      if (outcome === "unfinished") return { ...batch, hasMore: false, heldBackRowId: row.rowId };
      batch.lastRowId = row.rowId;
      if (typeof outcome === "string") batch.skipped[outcome]++;
      else batch.messages.push(outcome.message);
      if (typeof outcome === "object" && outcome.isUndecodable) batch.undecodableCount++;
    }
    return batch;
  }

  /** Call after the first query of the transaction: the file's last write then bounds the age of every row in it. */
  #settledRowId({ nowMs, settleMs = DEFAULT_SETTLE_MS }: Omit<ReadOptions, "limit">): number {
    const maxRowId = integerOf(this.#selectMaxRowId()[0]?.[0]);
    this.#settleClock.observe(maxRowId, Math.min(nowMs, lastWriteMs(this.#database.path)));
    return Math.max(this.#settleClock.settledRowId(nowMs - settleMs), maxRowId - UNFINISHED_ROWS);
  }

  #read(row: MessageRow, { nowMs, chatId, files, isSettled }: Circumstances): Outcome {
    const sentAtMs = unixMsOf(row.date);
    const reason = skipReasonOf(row, { sentAtMs, nowMs });
    if (reason !== null) return reason;
    if (chatId === null) {
      if (this.#selectRecentlyDeleted(row.rowId).length > 0) return "recently_deleted";
      if (!isSettled) return "unfinished";
    }
    const contents = { row, chatId, body: messageTextOf(row), sentAtMs, files };
    const isEmpty = isEmptyMessage(contents);
    if (!isSettled && (isEmpty || lacksFiles(contents))) return "unfinished";
    if (isEmpty) return "empty";
    const message = messageRecord(contents, this.directory);
    const { conversation } = message;
    if (conversation !== null && this.directory.isSelfChat(conversation)) {
      if (this.#twins.isSecondTwin(row, conversation)) return "self_chat_twin";
    }
    return { message, isUndecodable: contents.body.isUndecodable };
  }
}

function emptyBatch(rowId: number, { hasMore }: { hasMore: boolean }): MessageBatch {
  return {
    messages: [],
    lastRowId: rowId,
    hasMore,
    heldBackRowId: null,
    skipped: Object.fromEntries(SKIP_REASONS.map((reason) => [reason, 0])) as Record<SkipReason, number>,
    undecodableCount: 0,
  };
}
