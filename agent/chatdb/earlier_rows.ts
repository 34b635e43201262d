/** Owns finding the rows of a conversation that came before another and are dated about as it is. */
import { isNanoseconds } from "./apple_time.ts";
import type { ChatDatabase } from "./chat_database.ts";
import type { ChatDirectory } from "./chat_directory.ts";
import type { Conversation } from "./conversation.ts";
import { type ChatFinder, chatFinder } from "./message_chats.ts";
import { type MessageRow, messageRowColumns, messageRowOf } from "./message_row.ts";
import type { Query } from "./sql_value.ts";

const NANOSECONDS_PER_S = 1_000_000_000n;

/** Finds rows by the index on `message.date`: a few microseconds, so it is for the few rows that need it. */
export class EarlierRows {
  readonly #directory: ChatDirectory;
  readonly #selectNear: Query;
  readonly #findChats: ChatFinder;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.#findChats = chatFinder(database);
    this.#selectNear = database.prepare(
      `SELECT ${messageRowColumns(database.schema)} FROM message WHERE date BETWEEN ? AND ? AND ROWID < ?`,
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
