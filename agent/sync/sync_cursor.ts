/** How far messages have been synced: the mark in chat.db, valid for one database and one account. */
import { join } from "node:path";
import type { ChatDatabase } from "../chatdb/file/chat_database.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import {
  type DatabaseIdentity,
  isMarkMoved,
  isSameDatabase,
  type Mark,
  readDatabaseIdentity,
} from "../chatdb/file/identity.ts";
import { type TrackerFields, trackerFieldsOf } from "./change_tracker.ts";
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
  /** Messages from before this Unix time are left out; null for none. */
  readonly sinceMs: number | null;
  readonly database: DatabaseIdentity;
  /** What is known of the rows up to the mark; part of the cursor, so that neither ever runs ahead of the other. */
  readonly changes: TrackerFields;
}

/** Why a sync starts at the first row again. The server stores each message once, so that costs only time. */
export type RestartReason = "cursor_broken" | "other_account" | "other_database" | "other_since";

export interface SyncStart {
  readonly rowId: number;
  /** Guid of the row at the mark; null when it is gone, or at the first row. */
  readonly guid: string | null;
  readonly sinceMs: number | null;
  readonly restart: RestartReason | null;
  /** What the previous sync stored; null when it starts at the first row. */
  readonly cursor: SyncCursor | null;
}

export interface SyncStartOptions {
  database: ChatDatabase;
  syncTarget: string;
  /** Leave out messages from before this Unix time; by default as in the previous sync. */
  sinceMs?: number;
}

const FILE = "cursor.json";
const VERSION = 4;

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
  return {
    syncTarget: textField(fields, "syncTarget"),
    sinceMs: fields.sinceMs === null ? null : numberField(fields, "sinceMs"),
    database: identityOf(database),
    changes: trackerFieldsOf(objectField(fields, "changes")),
  };
}

/** The cursor of a data folder. */
export function cursorStore(dataDir: string): StateFile<SyncCursor> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: cursorOf });
}

/**
 * Where a sync of this database into this account starts. Changes nothing.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export async function syncStart(
  cursors: StateFile<SyncCursor>,
  { database, syncTarget, sinceMs }: SyncStartOptions,
): Promise<SyncStart> {
  const stored = await cursors.load();
  const cursor = stored.kind === "found" ? stored.state : null;
  const first = { rowId: 0, guid: null, sinceMs: sinceMs ?? cursor?.sinceMs ?? null, cursor: null };
  if (stored.kind === "broken") return { ...first, restart: "cursor_broken" };
  if (cursor === null) return { ...first, restart: null };
  if (cursor.syncTarget !== syncTarget) return { ...first, restart: "other_account" };
  if (!isMarkOf(database, cursor.database)) return { ...first, restart: "other_database" };
  if (first.sinceMs !== cursor.sinceMs) return { ...first, restart: "other_since" };
  const { markRowId: rowId, markGuid: guid } = cursor.database;
  return { ...first, rowId, guid, restart: null, cursor };
}

function isMarkOf(database: ChatDatabase, stored: DatabaseIdentity): boolean {
  return !isMarkMoved(database, stored) &&
    isSameDatabase(stored, readDatabaseIdentity(database, stored.markRowId));
}

/** True for a message that is not left out for its age; one without a time is not. */
export function isWanted({ sentAtMs }: Pick<ChatMessage, "sentAtMs">, sinceMs: number | null): boolean {
  return sinceMs === null || sentAtMs === null || sentAtMs >= sinceMs;
}

/** Stores the mark and what is known of the rows up to it, unless both are stored already. */
export type CursorWriter = (mark: Mark, changes: TrackerFields) => Promise<void>;

/**
 * Makes the writer of one run. The guid at the mark is the one that was read with its row: looked up later, it could
 * belong to another row of a database that was rebuilt in between.
 */
export function cursorWriter(
  { cursors, database, syncTarget }: SyncStartOptions & { cursors: StateFile<SyncCursor> },
  { cursor, sinceMs }: SyncStart,
): CursorWriter {
  let stored = JSON.stringify(cursor);
  return async (mark, changes) => {
    const identity = { ...readDatabaseIdentity(database, mark.markRowId), ...mark };
    const next: SyncCursor = { syncTarget, sinceMs, database: identity, changes };
    if (JSON.stringify(next) === stored) return;
    await cursors.save(next);
    stored = JSON.stringify(next);
  };
}
