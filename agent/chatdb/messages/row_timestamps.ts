/** Owns the times that Messages stamps on a row after it has written it: edited or unsent, read, delivered. */
import { unixMsOf } from "../file/apple_time.ts";
import type { ChatDatabase } from "../file/chat_database.ts";
import { selectList } from "../file/schema.ts";
import { integerOf, type SqlValue } from "../file/sql_value.ts";

/** The stamps of a row in Unix time; null for those that it does not have. */
export interface RowTimestamps {
  /** When it was last edited or unsent. */
  readonly changedAtMs: number | null;
  /** When its reader read it: the owner an incoming message, the other side an own one. */
  readonly readAtMs: number | null;
  readonly deliveredAtMs: number | null;
}

/** The columns of a row that hold its stamps. */
export interface TimestampColumns {
  dateEdited: SqlValue;
  dateRead: SqlValue;
  dateDelivered: SqlValue;
}

const COLUMNS = ["date_edited", "date_read", "date_delivered"] as const;

/** The stamps of a row. */
export function timestampsOf({ dateEdited, dateRead, dateDelivered }: TimestampColumns): RowTimestamps {
  return {
    changedAtMs: unixMsOf(dateEdited),
    readAtMs: unixMsOf(dateRead),
    deliveredAtMs: unixMsOf(dateDelivered),
  };
}

/**
 * One number that tells whether stamps have changed; 0 for none. One that comes or goes later raises it, and so do
 * several at once: only stamps that move against each other to the very millisecond could leave it as it was.
 */
export function timestampChecksum({ changedAtMs, readAtMs, deliveredAtMs }: RowTimestamps): number {
  return (changedAtMs ?? 0) * 4 + (readAtMs ?? 0) + (deliveredAtMs ?? 0) * 2;
}

/**
 * Finds the stamped rows from one ROWID to another, in their order: the sum of each one's stamps. There is no index on
 * any of them, so every row between is looked at, and most have a stamp.
 */
export type TimestampFinder = (firstRowId: number, lastRowId: number) => Map<number, number>;

/** Prepares the search. Stamps whose column is absent, such as that of edits up to macOS 12, count as none. */
export function timestampFinder(database: ChatDatabase): TimestampFinder {
  const present = COLUMNS.filter((column) => database.schema.get("message")?.has(column));
  if (present.length === 0) return () => new Map();
  const columns = selectList(database.schema, { table: "message", columns: COLUMNS });
  const select = database.prepare(
    `SELECT ROWID, ${columns} FROM message WHERE ROWID BETWEEN ? AND ?
     AND (${present.map((column) => `message.${column} <> 0`).join(" OR ")})`,
  );
  return (firstRowId, lastRowId) => {
    const sums = new Map<number, number>();
    for (
      const [rowId, dateEdited = null, dateRead = null, dateDelivered = null] of select(firstRowId, lastRowId)
    ) {
      const sum = timestampChecksum(timestampsOf({ dateEdited, dateRead, dateDelivered }));
      if (sum !== 0) sums.set(integerOf(rowId), sum);
    }
    return sums;
  };
}
