/** Owns finding the rows of a conversation that came before another and are dated about as it is. */
import { isNanoseconds } from "../file/apple_time.ts";
import type { ChatDatabase } from "../file/chat_database.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import type { Conversation } from "../chats/conversation.ts";
import { type ChatFinder, chatFinder } from "../chats/message_chats.ts";
import { type MessageRow, messageRowColumns, messageRowOf } from "./message_row.ts";
import type { Query } from "../file/sql_value.ts";

const NANOSECONDS_PER_S = 1_000_000_000n;
/** Where there is no index by date, only so many rows before are looked at: what belongs together is written together. */
const ROWS_BEFORE = 500;

/** Finds rows by Messages' index on `message.date`: a few microseconds, so it is for the few rows that need it. */
export class EarlierRows {
  readonly #directory: ChatDirectory;
  readonly #selectNear: Query;
  readonly #findChats: ChatFinder;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.#findChats = chatFinder(database);
    const rows = hasDateIndex(database) ? "ROWID < ?3" : `ROWID BETWEEN ?3 - ${ROWS_BEFORE} AND ?3 - 1`;
    this.#selectNear = database.prepare(
      `SELECT ${messageRowColumns(database.schema)} FROM message WHERE date BETWEEN ?1 AND ?2 AND ${rows}`,
    );
  }

  /** The rows of `conversation` before `row` that are dated at most `windowS` seconds from it; none for a row without date. */
  near(
    row: MessageRow,
    { conversation, windowS }: { conversation: Conversation; windowS: number },
  ): MessageRow[] {
    if (typeof row.date !== "bigint" || row.date === 0n) return [];
    const window = BigInt(windowS) * (isNanoseconds(row.date) ? NANOSECONDS_PER_S : 1n);
    return this.#selectNear(row.date - window, row.date + window, row.rowId).map(messageRowOf)
      .filter((near) => this.#conversationOf(near) === conversation);
  }

  #conversationOf({ rowId }: MessageRow): Conversation | null {
    return this.#directory.conversation(this.#findChats(rowId, rowId).get(rowId) ?? null);
  }
}

function hasDateIndex(database: ChatDatabase): boolean {
  return database.prepare(`
    SELECT 1 FROM pragma_index_list('message') AS list JOIN pragma_index_info(list.name) AS part
    WHERE part.seqno = 0 AND part.name = 'date' AND NOT list.partial`)().length > 0;
}
