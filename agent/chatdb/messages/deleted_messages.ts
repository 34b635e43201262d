/** Finds what was deleted in Messages: for good, or into Recently Deleted, from where it may come back. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { integerOf, type Query, textOf } from "../file/sql_value.ts";

/** Some of what was deleted for good, in the order it was. */
export interface Deletions {
  /** Of messages and tapbacks; one that has come back under its guid is left out. */
  readonly guids: readonly string[];
  /** The mark behind them; the given one when nothing came after it. */
  readonly lastId: number;
}

/** Looks into one open database. Messages notes the guid of each row that it deletes, and numbers these notes. */
export class DeletionFinder {
  readonly #selectLast: Query;
  readonly #selectAfter: Query;
  readonly #selectRecentlyDeleted: Query;

  constructor(database: ChatDatabase) {
    const { schema } = database;
    const notes = schema.has("deleted_messages");
    this.#selectLast = notes ? database.prepare("SELECT MAX(ROWID) FROM deleted_messages") : () => [];
    this.#selectAfter = notes
      ? database.prepare(`
        SELECT ROWID, guid, EXISTS (SELECT 1 FROM message WHERE message.guid = deleted_messages.guid)
        FROM deleted_messages WHERE ROWID > ? ORDER BY ROWID LIMIT ?`)
      : () => [];
    this.#selectRecentlyDeleted = schema.has("chat_recoverable_message_join")
      ? database.prepare(`
        SELECT message.ROWID, message.guid FROM message
        WHERE message.ROWID IN (SELECT message_id FROM chat_recoverable_message_join) AND message.ROWID <= ?
          AND NOT EXISTS (SELECT 1 FROM chat_message_join WHERE message_id = message.ROWID)`)
      : () => [];
  }

  /** The mark behind all that has been deleted so far; 0 where nothing was, or the database keeps no such notes. */
  lastId(): number {
    return integerOf(this.#selectLast()[0]?.[0]);
  }

  /** At most `limit` deletions after a mark. A mark beyond the last note belongs to another database: all are returned. */
  deletedAfter(id: number, { limit }: { limit: number }): Deletions {
    const from = id > this.lastId() ? 0 : id;
    const rows = this.#selectAfter(from, limit);
    const gone = rows.filter(([, , isBack]) => integerOf(isBack) === 0);
    const guids = gone.map(([, guid]) => textOf(guid)).filter((guid) => guid !== null);
    return { guids, lastId: integerOf(rows.at(-1)?.[0] ?? from) };
  }

  /** The guids of the rows up to `lastRowId` that are in Recently Deleted, by ROWID. */
  recentlyDeleted(lastRowId: number): Map<number, string> {
    return new Map(
      this.#selectRecentlyDeleted(lastRowId).map(([rowId, guid]) => [integerOf(rowId), textOf(guid) ?? ""]),
    );
  }
}
