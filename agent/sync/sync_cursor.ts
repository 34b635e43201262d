/** Owns how far messages have been synced: the mark in chat.db, valid for one database and one account. */
import { join } from "node:path";
import type { ChatDatabase } from "../chatdb/chat_database.ts";
import { type DatabaseIdentity, isSameDatabase, readDatabaseIdentity } from "../chatdb/identity.ts";
import {
  countField,
  numberField,
  objectField,
  type StateFile,
  stateFile,
  textField,
} from "../platform/state_file.ts";

/** Every message up to `database.markRowId` was acknowledged by the server. */
export interface SyncCursor {
  readonly syncTarget: string;
  readonly database: DatabaseIdentity;
}

/** Why a sync begins at the first row again. The server keeps each message once, so that costs time only. */
export type RestartReason = "cursor_broken" | "other_account" | "other_database";

export interface SyncStart {
  readonly rowId: number;
  readonly restart: RestartReason | null;
}

const FILE = "cursor.json";
const VERSION = 1;

function identityOf(fields: Record<string, unknown>): DatabaseIdentity {
  return {
    device: numberField(fields, "device"),
    inode: fields.inode === null ? null : numberField(fields, "inode"),
    sequence: countField(fields, "sequence"),
    markRowId: countField(fields, "markRowId"),
    markGuid: fields.markGuid === null ? null : textField(fields, "markGuid"),
  };
}

function cursorOf(fields: Record<string, unknown>): SyncCursor {
  const database = objectField(fields, "database");
  if (database === null) throw new TypeError("A cursor must name its database");
  return { syncTarget: textField(fields, "syncTarget"), database: identityOf(database) };
}

/** The cursor of a data folder. */
export function cursorStore(dataDir: string): StateFile<SyncCursor> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: cursorOf });
}

/**
 * Where a sync of this database into this account begins. Changes nothing.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export async function syncStart(
  cursors: StateFile<SyncCursor>,
  { database, syncTarget }: { database: ChatDatabase; syncTarget: string },
): Promise<SyncStart> {
  const stored = await cursors.load();
  if (stored.kind === "missing") return { rowId: 0, restart: null };
  if (stored.kind === "broken") return { rowId: 0, restart: "cursor_broken" };
  const { state } = stored;
  if (state.syncTarget !== syncTarget) return { rowId: 0, restart: "other_account" };
  const current = readDatabaseIdentity(database, state.database.markRowId);
  if (!isSameDatabase(state.database, current)) return { rowId: 0, restart: "other_database" };
  return { rowId: state.database.markRowId, restart: null };
}
