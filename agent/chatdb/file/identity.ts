/** Identifies a database, so that a stored mark is used only with the database it belongs to. */
import type { ChatDatabase } from "./chat_database.ts";
import type { FileIdentity } from "./database_file.ts";
import { integerOf, textOf } from "./sql_value.ts";

/** What distinguishes one chat.db from another, as of one mark. Plain data, to be stored beside the mark. */
export interface DatabaseIdentity extends FileIdentity {
  /** The highest message ROWID ever given out, which deletions do not lower. */
  sequence: number;
  /** The mark: the last ROWID read. */
  markRowId: number;
  /** Guid of the row at the mark; null when that row is gone, or the mark is 0. */
  markGuid: string | null;
}

/** A place in the rows of a database, as far as the row there is known. */
export type Mark = Pick<DatabaseIdentity, "markRowId" | "markGuid">;

/**
 * Reads the identity of an open database.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function readDatabaseIdentity(database: ChatDatabase, markRowId: number): DatabaseIdentity {
  const selectGuid = database.prepare("SELECT guid FROM message WHERE ROWID = ?");
  return database.readTransaction(() => ({
    ...database.file,
    sequence: readSequence(database),
    markRowId,
    markGuid: textOf(selectGuid(markRowId)[0]?.[0]),
  }));
}

/**
 * True when the ROWIDs up to the mark still mean the same messages; otherwise all must be walked again. The guid at
 * the mark decides. When its row has been deleted, only the same file with a sequence that never fell will do: a
 * restored or rebuilt database renumbers its rows.
 *
 * @param current read with `stored.markRowId`
 */
export function isSameDatabase(stored: DatabaseIdentity, current: DatabaseIdentity): boolean {
  if (stored.markRowId === 0) return true;
  if (stored.markGuid !== null && current.markGuid !== null) return stored.markGuid === current.markGuid;
  return stored.device === current.device && stored.inode === current.inode &&
    current.sequence >= stored.sequence;
}

/** The rows of a database were renumbered while they were read, so that a mark among them means nothing. */
export class RowsRenumberedError extends Error {
  override name = "RowsRenumberedError";

  constructor() {
    super("Messages has rebuilt its database while it was being read: try again");
  }
}

/**
 * True when the rows were renumbered: the row of a mark has another ROWID, or its ROWID, which is never given out twice,
 * belongs to another row. Where both are gone, `isSameDatabase` distinguishes a deletion from another database.
 */
export function isMarkMoved(database: ChatDatabase, { markRowId, markGuid }: Mark): boolean {
  if (markGuid === null) return false;
  const [row] = database.prepare("SELECT ROWID FROM message WHERE guid = ?")(markGuid);
  if (row !== undefined) return integerOf(row[0]) !== markRowId;
  return database.prepare("SELECT 1 FROM message WHERE ROWID = ?")(markRowId).length > 0;
}

/** From AUTOINCREMENT's own table; the highest row present where a database lacks it. */
function readSequence(database: ChatDatabase): number {
  const stored = database.schema.has("sqlite_sequence")
    ? database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'message'")()[0]?.[0]
    : null;
  return integerOf(stored ?? database.prepare("SELECT MAX(ROWID) FROM message")()[0]?.[0]);
}
