/** Collects what one read of new rows found: messages, skipped rows, and where the next read begins. */
import type { ChatMessage } from "./chat_message.ts";
import type { SkipReason } from "./message_class.ts";
import type { MessageRow } from "./message_row.ts";
import type { RowOutcome } from "./row_reader.ts";
import { timestampChecksum, timestampsOf } from "./row_timestamps.ts";

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
  /** The row at which reading stopped because Messages may still be writing it: read again later. Null for none. */
  incompleteRowId: number | null;
  skippedRows: SkippedRow[];
  /** Messages whose body could not be decoded and whose `text` is empty; they are in `messages`, without words. */
  undecodableCount: number;
}

/** Adds the outcome of a row. Returns false to stop reading: at a row that Messages may still be writing. */
export function takeRow(
  batch: MessageBatch,
  { row, outcome }: { row: MessageRow; outcome: RowOutcome },
): boolean {
  if (outcome.kind === "incomplete") {
    batch.hasMore = false;
    batch.incompleteRowId = row.rowId;
    return false;
  }
  batch.lastRowId = row.rowId;
  batch.lastGuid = row.guid;
  if (outcome.kind === "message") {
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
  return true;
}

/** A batch before its first row, at the mark `rowId`. */
export function emptyBatch(
  rowId: number,
  { lastGuid, hasMore }: Pick<MessageBatch, "lastGuid" | "hasMore">,
): MessageBatch {
  return {
    messages: [],
    lastRowId: rowId,
    lastGuid,
    hasMore,
    incompleteRowId: null,
    skippedRows: [],
    undecodableCount: 0,
  };
}
