/** Syncs messages: sends everything after the mark and what has changed before it, or counts that for a dry run. */
import { UserError } from "../../lib/errors.ts";
import type { ChatDatabase } from "../chatdb/file/chat_database.ts";
import {
  isMarkMoved,
  isSameDatabase,
  readDatabaseIdentity,
  RowsRenumberedError,
} from "../chatdb/file/identity.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import { forgetLoss, lossOf } from "../state/agent_database.ts";
import type { SyncCursor } from "../state/stored_values.ts";
import type { SyncState } from "../state/sync_state.ts";
import type { ChangeScan } from "./changed_rows.ts";
import { type MessageProgress, MessageSyncRun } from "./message_sync_run.ts";
import type { MessageUploader } from "./message_upload.ts";
import { SYNC_PASSES } from "./sync_passes.ts";
import { forgetRefused } from "./sync_record.ts";

/** Why a sync starts at the first row again. The server stores each message once, so that costs only time. */
export type RestartReason = "cursor_broken" | "other_account" | "other_database" | "other_since";

export interface SyncStartOptions {
  database: ChatDatabase;
  /** The account behind the pairing; an account that does not exist has been sent nothing. See `ActivePairing`. */
  syncTarget: string;
  /** Leave out messages from before this Unix time, now and in later syncs. Another value reads all rows again. */
  sinceMs?: number;
}

export interface MessageSyncOptions extends SyncStartOptions {
  state: SyncState;
  uploader: MessageUploader;
  /** Called before the first row is read, and after each acknowledged batch. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  batchMessages?: number;
  /** The reader of `database` from the sync before, which knows how long the newest rows have been there. */
  reader?: MessageReader;
  /** Which rows from before are checked for edits; all of them by default. */
  scan?: ChangeScan;
}

export interface MessageCounts {
  readonly restart: RestartReason | null;
  /** Rows that are no messages of their own, such as tapbacks and notes of the system. */
  readonly skipped: number;
  /** Messages left out because they are older than `--since`. */
  readonly leftOut: number;
  /** Messages sent without words because their body could not be decoded. */
  readonly undecodable: number;
  /** Messages that were sent again because Messages had changed them. */
  readonly resent: number;
  /** True when rows were left for the next sync, because Messages may still be writing them. */
  readonly isIncomplete: boolean;
}

/** Where a sync starts; `cursor` is null for the first row. */
export interface SyncStart {
  readonly cursor: SyncCursor | null;
  readonly sinceMs: number | null;
  readonly restart: RestartReason | null;
}

/** Rows may be renumbered while they are read; more often than this it is another fault. */
const MAX_RENUMBERINGS = 3;

/**
 * Where a sync of this database into this account starts. Changes nothing.
 *
 * @throws ChatDatabaseError when the database cannot be read, DamagedStateError when the state cannot
 */
export function syncStart(state: SyncState, { database, syncTarget, sinceMs }: SyncStartOptions): SyncStart {
  const { cursor } = state;
  const first = { cursor: null, sinceMs: sinceMs ?? cursor?.sinceMs ?? null };
  if (cursor === null) {
    return { ...first, restart: lossOf(state.database, "cursor") === null ? null : "cursor_broken" };
  }
  if (cursor.syncTarget !== syncTarget) return { ...first, restart: "other_account" };
  if (!isMarkOf(database, cursor)) return { ...first, restart: "other_database" };
  if (first.sinceMs !== cursor.sinceMs) return { ...first, restart: "other_since" };
  return { ...first, cursor, restart: null };
}

/**
 * Sends every message after the mark, until none is left, and those from before that have changed since.
 *
 * The mark is stored after each batch that the server has acknowledged completely. Ended at any point, the next sync
 * repeats at most one batch, which the server recognises by its guids.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, and what the uploader throws; the mark then stands at the last
 * acknowledged batch
 */
export async function syncMessages(options: MessageSyncOptions): Promise<MessageCounts> {
  const { scan = "full", onProgress = () => {}, now = Date.now } = options;
  const reader = options.reader ?? new MessageReader(options.database);
  for (let attempt = 1;; attempt++) {
    const start = syncStart(options.state, options);
    if (start.restart !== null) reader.forgetRows();
    const cursor = start.cursor ?? restart(options, start);
    try {
      const run = new MessageSyncRun({ ...options, reader, cursor, scan, onProgress, now });
      for (const pass of SYNC_PASSES) await pass(run);
      return { restart: start.restart, ...run.counts, isIncomplete: run.isIncomplete };
    } catch (error) {
      if (!(error instanceof RowsRenumberedError)) throw error;
      if (attempt === MAX_RENUMBERINGS) throw new UserError(error.message, { cause: error });
      reader.forgetRows();
    }
  }
}

/** Begins at the first row. Whatever was known is forgotten at once, so that what was refused before is tried again. */
function restart({ database, state, syncTarget }: MessageSyncOptions, start: SyncStart): SyncCursor {
  // Of what was deleted before the first sync no server can have anything; before another one it may.
  const deletedId = start.restart === null ? new DeletionFinder(database).lastId() : 0;
  const identity = readDatabaseIdentity(database, 0);
  const cursor = { syncTarget, sinceMs: start.sinceMs, database: identity, deletedId };
  if (start.restart === null) return cursor;
  state.database.transaction(() => {
    state.restart(cursor);
    forgetRefused(state.database);
    forgetLoss(state.database, "cursor");
  });
  return cursor;
}

function isMarkOf(database: ChatDatabase, { database: stored }: SyncCursor): boolean {
  return !isMarkMoved(database, stored) &&
    isSameDatabase(stored, readDatabaseIdentity(database, stored.markRowId));
}
