/**
 * How far the sync has come. All that is known of it is named here; it lies in the cursor and in one row of `seen_rows`
 * for each row of chat.db that needs one:
 *
 * 1. The **mark** (`database.markRowId`): rows up to it were read, and the server has acknowledged them. It counts only
 *    for one account (`syncTarget`), one `--since` and one chat.db: its file, its `sequence`, and the guid of the row at
 *    the mark show whether the ROWIDs still mean the same messages.
 * 2. `deletedId`: Messages numbers what it deletes apart from its rows, so the mark says nothing of them.
 * 3. A row's **checksum** of its timestamps: an edit or a receipt leaves a new one, but learned from other devices they
 *    come in any order, so that no single time could stand for all that were seen. 0 for a row without timestamps.
 * 4. A row's **state and watch until**: what may change without a timestamp is compared with what was sent, for an hour,
 *    or until it is a message at last. What was reported as recently deleted has a state too, for it may come back.
 * 5. The name of each group as it was sent (the document `group_names`, see `sync_passes.ts`): renaming leaves no trace on
 *    any row. It outlives a restart, for all messages are then sent again, and the names with them.
 * 6. The **conversation** of each chat as its rows were sent (the document `conversations`): a chat gets another one when more
 *    becomes known of its people, and that leaves no trace on its rows either.
 *
 * 7. A row's **outcome**: what happened to each row up to the mark, by which the sync proves that it has missed none
 *    (`capture.ts`). Versions before did not note it: `hasOutcomes` of the cursor says whether all rows have one.
 *
 * What is written is written with one transaction for each step that the server has acknowledged, so none runs ahead
 * of the others. Not stored, since it holds for an open chat.db only: `RowAge`, and up to which row the reader knows
 * the tapbacks.
 */
import type { AgentDatabase } from "./agent_database.ts";
import type { SyncCursor } from "./stored_values.ts";

/** How a row was last seen, and until when it is compared again. */
export interface Watch {
  /** The digest of the message that was sent; for a row that is no message, why it is none. */
  readonly state: string;
  /** Unix time; null while the row still is to become a message. */
  readonly untilMs: number | null;
}

/**
 * What happened to a row that was read. `stored`: it is a message, and the server has acknowledged it; `left_out`: one older than
 * `--since`; `skipped`: it is no message of its own; `incomplete`: Messages may still be writing it.
 */
export type ReadOutcome = "stored" | "refused" | "left_out" | "skipped" | "incomplete";

/** A row's timestamps as one number; 0 when it has none. */
export type Checksums = ReadonlyMap<number, number>;

/** The state of a row in Recently Deleted that was reported to the server; no other state is spelled like this. */
const REPORTED = "reported_deleted";
/** The state of a row that Messages is still writing; earlier versions stored it so. */
export const INCOMPLETE_STATE = "unfinished";
/** More rows than a person's Messages gets in an hour; a first sync leaves its newest ones. */
export const WATCHED_ROWS = 500;
/** Far more drafts than anybody has; rows in Recently Deleted wait only until they are reported. */
const WAITING_ROWS = 10_000;

/** Reads and changes it in an open agent.db. Changes belong in a transaction of `database`. */
export class SyncState {
  constructor(readonly database: AgentDatabase) {}

  /** Null before the first sync. @throws DamagedStateError */
  get cursor(): SyncCursor | null {
    return this.database.document("cursor").get();
  }

  saveCursor(cursor: SyncCursor): void {
    this.database.document("cursor").put(cursor);
  }

  /** Forgets all rows, for a sync that starts at the first one. */
  restart(cursor: SyncCursor): void {
    for (const table of ["seen_rows", "old_blocks"]) this.database.run(`DELETE FROM ${table}`);
    this.saveCursor(cursor);
  }

  /** The checksums of the rows from one ROWID to another that had timestamps. */
  checksums(firstRowId: number, lastRowId: number): Checksums {
    const select = "SELECT row_id, checksum FROM seen_rows WHERE row_id BETWEEN ? AND ? AND checksum <> 0";
    const rows = this.database.all(select, firstRowId, lastRowId);
    return new Map(rows.map(([rowId, checksum]) => [Number(rowId), Number(checksum)]));
  }

  noteChecksum(rowId: number, checksum: number): void {
    if (checksum === 0) {
      this.database.run("UPDATE seen_rows SET checksum = 0 WHERE row_id = ? AND checksum <> 0", rowId);
      return;
    }
    this.database.run(
      `INSERT INTO seen_rows (row_id, checksum) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET checksum = excluded.checksum WHERE checksum <> excluded.checksum`,
      rowId,
      checksum,
    );
  }

  /** The watched rows that Messages is still writing, then the newest ones, and the state of each. */
  watched(limit: number): Map<number, string> {
    const rows = this.database.all(
      `SELECT row_id, state FROM seen_rows WHERE state IS NOT NULL AND state <> '${REPORTED}'
       ORDER BY state = '${INCOMPLETE_STATE}' DESC, row_id DESC LIMIT ?`,
      limit,
    );
    return new Map(rows.map(([rowId, state]) => [Number(rowId), String(state)]));
  }

  /** How a watched row was last seen; null for one that is not watched. */
  watchedState(rowId: number): string | null {
    const [row] = this.database.all("SELECT state FROM seen_rows WHERE row_id = ?", rowId);
    return row === undefined || row[0] === null || row[0] === REPORTED ? null : String(row[0]);
  }

  /**
   * Watches a row, or no longer, unless it was reported as deleted. One that is watched in this state already keeps its
   * time.
   */
  watch(rowId: number, watch: Watch | null): void {
    if (watch === null) {
      this.database.run(
        `UPDATE seen_rows SET state = NULL, watch_until = NULL WHERE row_id = ? AND state <> '${REPORTED}'`,
        rowId,
      );
      return;
    }
    this.database.run(
      `INSERT INTO seen_rows (row_id, state, watch_until) VALUES (?, ?, ?) ON CONFLICT DO UPDATE
       SET state = excluded.state, watch_until = excluded.watch_until
       WHERE state IS NOT excluded.state AND state IS NOT '${REPORTED}'`,
      rowId,
      watch.state,
      watch.untilMs,
    );
  }

  noteOutcome(rowId: number, outcome: ReadOutcome): void {
    this.database.run(
      `INSERT INTO seen_rows (row_id, outcome) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET outcome = excluded.outcome WHERE outcome IS NOT excluded.outcome`,
      rowId,
      outcome,
    );
  }

  /** The rows from one ROWID to another that have an outcome. */
  rowsWithOutcome(firstRowId: number, lastRowId: number): Set<number> {
    const select = "SELECT row_id FROM seen_rows WHERE row_id BETWEEN ? AND ? AND outcome IS NOT NULL";
    return new Set(this.database.all(select, firstRowId, lastRowId).map(([rowId]) => Number(rowId)));
  }

  /** How many rows have each outcome. */
  outcomeCounts(): Map<ReadOutcome, number> {
    const select = "SELECT outcome, count(*) FROM seen_rows WHERE outcome IS NOT NULL GROUP BY outcome";
    return new Map(
      this.database.all(select).map(([outcome, count]) => [outcome as ReadOutcome, Number(count)]),
    );
  }

  /** Forgets a row that is gone, unless it is watched: what was watched is looked at once more. */
  forgetUnwatched(rowId: number): void {
    this.database.run("DELETE FROM seen_rows WHERE row_id = ? AND state IS NULL", rowId);
  }

  /** Forgets a row that is gone. */
  forget(rowId: number): void {
    this.database.run("DELETE FROM seen_rows WHERE row_id = ?", rowId);
  }

  /**
   * Stops watching rows that are old enough, and the oldest when there are too many. Rows up to `afterRowId` stay: they
   * are still to be compared, however many came after them.
   */
  prune({ afterRowId, nowMs }: { afterRowId: number; nowMs: number }): void {
    this.database.run(
      `UPDATE seen_rows SET state = NULL, watch_until = NULL WHERE row_id IN (
         SELECT row_id FROM (
           SELECT row_id, watch_until,
             row_number() OVER (PARTITION BY watch_until IS NULL ORDER BY row_id DESC) AS place
           FROM seen_rows WHERE state IS NOT NULL AND state <> '${REPORTED}' AND row_id > ?1)
         WHERE watch_until <= ?2 OR place > iif(watch_until IS NULL, ${WAITING_ROWS}, ${WATCHED_ROWS}))`,
      afterRowId,
      nowMs,
    );
  }

  /** The rows in Recently Deleted that were reported to the server. */
  reportedDeleted(): Set<number> {
    const rows = this.database.all(`SELECT row_id FROM seen_rows WHERE state = '${REPORTED}'`);
    return new Set(rows.map(([rowId]) => Number(rowId)));
  }

  /** Notes which rows were reported to be in Recently Deleted; they are no longer compared one by one. */
  noteReportedDeleted(rowIds: ReadonlySet<number>): void {
    const back = [...this.reportedDeleted()].filter((rowId) => !rowIds.has(rowId));
    for (const rowId of back) this.database.run("UPDATE seen_rows SET state = NULL WHERE row_id = ?", rowId);
    for (const rowId of rowIds) {
      this.database.run(
        `INSERT INTO seen_rows (row_id, state, outcome) VALUES (?, '${REPORTED}', 'skipped') ON CONFLICT DO UPDATE
         SET state = excluded.state, outcome = excluded.outcome, watch_until = NULL WHERE state IS NOT excluded.state`,
        rowId,
      );
    }
  }
}
