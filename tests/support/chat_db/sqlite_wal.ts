/** Closes an SQLite fixture as a killed program leaves it: with its newest pages in the `-wal` file. */
import { DatabaseSync } from "node:sqlite";

/**
 * Closes `writer`, whose WAL-mode file is at `path`, without a checkpoint. The last connection to close would
 * checkpoint and remove the `-wal`, but one that may only read cannot.
 */
export function closeKeepingWal(writer: DatabaseSync, path: string): void {
  const reader = new DatabaseSync(path, { readOnly: true });
  reader.prepare("SELECT count(*) FROM sqlite_schema").get();
  writer.close();
  reader.close();
}
