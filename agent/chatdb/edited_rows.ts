/** Owns finding the rows that Messages has stamped as edited or unsent. */
import { unixMsOf } from "./apple_time.ts";
import type { ChatDatabase } from "./chat_database.ts";
import { integerOf } from "./sql_value.ts";

/**
 * Finds the edited rows from one ROWID to another: the Unix time of each one's last edit, by its ROWID. There is no
 * index on the stamp, so every row between is looked at: 300,000 take about a tenth of a second.
 */
export type EditedRowsFinder = (firstRowId: number, lastRowId: number) => Map<number, number>;

/** Prepares the search; a database from before edits (macOS 12 and earlier) yields none. */
export function editedRowsFinder(database: ChatDatabase): EditedRowsFinder {
  if (!database.schema.get("message")?.has("date_edited")) return () => new Map();
  const select = database.prepare(
    "SELECT ROWID, date_edited FROM message WHERE ROWID BETWEEN ? AND ? AND date_edited > 0",
  );
  return (firstRowId, lastRowId) => {
    const editedAtMs = new Map<number, number>();
    for (const [rowId, date] of select(firstRowId, lastRowId)) {
      const atMs = unixMsOf(date);
      if (atMs !== null) editedAtMs.set(integerOf(rowId), atMs);
    }
    return editedAtMs;
  };
}
