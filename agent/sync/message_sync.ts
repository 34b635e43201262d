/** Syncs messages: sends everything after the mark and what has changed before it, or counts that for a dry run. */
import { UserError } from "../../lib/errors.ts";
import {
  isMarkMoved,
  isSameDatabase,
  readDatabaseIdentity,
  RowsRenumberedError,
} from "../chatdb/file/identity.ts";
import { DeletionFinder } from "../chatdb/messages/deleted_messages.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import { lossOf } from "../state/agent_database.ts";
import type { SyncCursor } from "../state/stored_values.ts";
import type { SyncState } from "../state/sync_state.ts";
import { type MessageSyncOptions, MessageSyncRun, type SyncStartOptions } from "./message_sync_run.ts";
import { SYNC_PASSES } from "./sync_passes.ts";

/** Why a sync starts at the first row again. The server stores each message once, so that costs only time. */
export type RestartReason = "cursor_broken" | "other_account" | "other_database" | "other_since";

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

/** Where a sync starts: `cursor` stands before the first row, or where the last sync has ended. */
export interface SyncStart {
  readonly cursor: SyncCursor;
  readonly restart: RestartReason | null;
}

/** Rows may be renumbered while they are read; more often than this it is another fault. */
const MAX_RENUMBERINGS = 3;

/**
 * Where a sync of this database into this account starts. Changes nothing.
 *
 * @throws ChatDatabaseError when the database cannot be read, DamagedStateError when the state cannot
 */
export function syncStart(state: SyncState, options: SyncStartOptions): SyncStart {
  const { database, syncTarget } = options;
  const { cursor } = state;
  const sinceMs = options.sinceMs ?? cursor?.sinceMs ?? null;
  const restart = restartReason(state, { database, syncTarget, sinceMs });
  if (cursor !== null && restart === null) return { cursor, restart };
  // Of what was deleted before the first sync no server can have anything; before another one it may.
  const deletedId = restart === null ? new DeletionFinder(database).lastId() : 0;
  const identity = readDatabaseIdentity(database, 0);
  return { cursor: { syncTarget, sinceMs, database: identity, deletedId, hasOutcomes: true }, restart };
}

function restartReason(
  { cursor, database: stored }: SyncState,
  { database, syncTarget, sinceMs }:
    & Pick<SyncStartOptions, "database">
    & Pick<SyncCursor, "syncTarget" | "sinceMs">,
): RestartReason | null {
  if (cursor === null) return lossOf(stored, "cursor") === null ? null : "cursor_broken";
  if (cursor.syncTarget !== syncTarget) return "other_account";
  const { database: identity } = cursor;
  const isSame = !isMarkMoved(database, identity) &&
    isSameDatabase(identity, readDatabaseIdentity(database, identity.markRowId));
  if (!isSame) return "other_database";
  return cursor.sinceMs === sinceMs ? null : "other_since";
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
  const reader = options.reader ?? new MessageReader(options.database);
  for (let attempt = 1;; attempt++) {
    const { cursor, restart } = syncStart(options.state, options);
    if (restart !== null) {
      reader.forgetRows();
      beginAgain(options.state, cursor);
    }
    try {
      const run = new MessageSyncRun(options, { reader, cursor });
      for (const pass of SYNC_PASSES) await pass(run);
      return { restart, ...run.counts, isIncomplete: run.isIncomplete };
    } catch (error) {
      if (!(error instanceof RowsRenumberedError)) throw error;
      if (attempt === MAX_RENUMBERINGS) throw new UserError(error.message, { cause: error });
      reader.forgetRows();
    }
  }
}

/** Whatever was known is forgotten at once, so that what was refused before is tried again. */
function beginAgain(state: SyncState, cursor: SyncCursor): void {
  state.database.transaction(() => {
    state.restart(cursor);
    state.database.values("refused_items").keepNewest(0);
    state.database.values("lost_state").delete("cursor");
  });
}
