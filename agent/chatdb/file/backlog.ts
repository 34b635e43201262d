/** Owns the count of rows that have not been read yet. */
import type { ChatDatabase } from "./chat_database.ts";
import { integerOf } from "./sql_value.ts";

/**
 * How many rows of `message` come after a mark, tapbacks and system rows among them.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function countRowsAfter(database: ChatDatabase, rowId: number): number {
  return integerOf(database.prepare("SELECT COUNT(*) FROM message WHERE ROWID > ?")(rowId)[0]?.[0]);
}
