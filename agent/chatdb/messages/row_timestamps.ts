/** Reads the times that Messages writes on a row later on: when it was edited or unsent, read, delivered. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { column, rowTable } from "../file/schema.ts";
import { integerOf, rawValue, type SqlValue, unixMsOf } from "../file/sql_value.ts";

/** The timestamps of a row in Unix time; null for those that it does not have. */
export interface RowTimestamps {
  /** When it was last edited or unsent. */
  readonly changedAtMs: number | null;
  /** When its reader read it: the owner an incoming message, the other side an own one. */
  readonly readAtMs: number | null;
  readonly deliveredAtMs: number | null;
}

/** The columns of a row that hold its timestamps. */
export const TIMESTAMP_COLUMNS = {
  dateEdited: column("date_edited", rawValue),
  dateRead: column("date_read", rawValue),
  dateDelivered: column("date_delivered", rawValue),
};

const TIMESTAMP_ROWS = rowTable("message", { rowId: column("ROWID", integerOf), ...TIMESTAMP_COLUMNS });

/** The timestamps of a row. */
export function timestampsOf(row: Record<keyof typeof TIMESTAMP_COLUMNS, SqlValue>): RowTimestamps {
  return {
    changedAtMs: unixMsOf(row.dateEdited),
    readAtMs: unixMsOf(row.dateRead),
    deliveredAtMs: unixMsOf(row.dateDelivered),
  };
}

/**
 * One number by which changed timestamps are noticed; 0 for none. One that appears or moves later raises it, and so do
 * several at once: only timestamps that move against each other to the very millisecond could leave it as it was.
 */
export function timestampChecksum({ changedAtMs, readAtMs, deliveredAtMs }: RowTimestamps): number {
  return (changedAtMs ?? 0) * 4 + (readAtMs ?? 0) + (deliveredAtMs ?? 0) * 2;
}

/**
 * Finds the rows with timestamps from one ROWID to another, in their order, and the checksum of each. There is no index
 * on any of the columns, so every row in between is read, and most have a timestamp.
 */
export type TimestampFinder = (firstRowId: number, lastRowId: number) => Map<number, number>;

/** Prepares the search. Timestamps whose column is absent, such as that of edits up to macOS 12, count as none. */
export function timestampFinder(database: ChatDatabase): TimestampFinder {
  const columns = ["date_edited", "date_read", "date_delivered"]
    .filter((name) => database.schema.get("message")?.has(name));
  if (columns.length === 0) return () => new Map();
  const anyTimestamp = columns.map((name) => `message.${name} <> 0`).join(" OR ");
  const select = TIMESTAMP_ROWS.prepare(
    database,
    `message WHERE ROWID BETWEEN ? AND ? AND (${anyTimestamp})`,
  );
  return (firstRowId, lastRowId) => {
    const checksums = new Map<number, number>();
    for (const row of select(firstRowId, lastRowId)) {
      const checksum = timestampChecksum(timestampsOf(row));
      if (checksum !== 0) checksums.set(row.rowId, checksum);
    }
    return checksums;
  };
}
