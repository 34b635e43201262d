/** Owns gathering what one round of a sync sends: enough for few requests, little enough for small memory. */
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { SkippedRow } from "../chatdb/messages/message_batch.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";

/** Messages after a mark, in the order they were written. */
export interface SyncBatch {
  readonly messages: readonly ChatMessage[];
  /** The mark behind them: every row up to it has been read. */
  readonly lastRowId: number;
  /** Guid of the row at the mark. */
  readonly lastGuid: string | null;
  /** How many rows were read, and those of them that are no messages. */
  readonly rows: number;
  readonly passed: readonly SkippedRow[];
  /** Messages without words because their body could not be decoded. */
  readonly undecodable: number;
  readonly hasMore: boolean;
  /** True when reading stopped at a row that Messages may still be writing. */
  readonly isIncomplete: boolean;
}

export interface ReadBatchOptions {
  /** The present, in Unix time. */
  nowMs: number;
  /** See `ReadOptions`. */
  markGuid?: string | null;
  /** Gathers about so many messages: the more, the more of one conversation go in one request. */
  messages?: number;
}

const DEFAULT_MESSAGES = 8_000;
/** Few enough that rows of 100 kB of text each are no burden either. */
const ROWS_AT_ONCE = 250;
/** Long texts end a round earlier: 16 MiB as JavaScript keeps them. */
const MAX_TEXT_UNITS = 8 * 1024 * 1024;

function textUnitsOf(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
}

/**
 * Reads on from a mark.
 *
 * @throws ChatDatabaseError or RowsRenumberedError, as `MessageReader.readAfter`
 */
export function readBatch(
  reader: MessageReader,
  rowId: number,
  { nowMs, markGuid = null, messages: enough = DEFAULT_MESSAGES }: ReadBatchOptions,
): SyncBatch {
  const messages: ChatMessage[] = [];
  const passed: SkippedRow[] = [];
  const limit = Math.min(ROWS_AT_ONCE, enough);
  let [lastRowId, lastGuid, undecodable, textUnits] = [rowId, markGuid, 0, 0];
  while (true) {
    const batch = reader.readAfter(lastRowId, { limit, nowMs, markGuid: lastGuid });
    messages.push(...batch.messages);
    passed.push(...batch.skippedRows);
    ({ lastRowId, lastGuid } = batch);
    undecodable += batch.undecodableCount;
    textUnits += textUnitsOf(batch.messages);
    if (batch.hasMore && messages.length < enough && textUnits < MAX_TEXT_UNITS) continue;
    const { hasMore, incompleteRowId } = batch;
    const rows = messages.length + passed.length;
    const isIncomplete = incompleteRowId !== null;
    return { messages, lastRowId, lastGuid, rows, passed, undecodable, hasMore, isIncomplete };
  }
}
