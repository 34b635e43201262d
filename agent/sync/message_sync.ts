/** Syncs messages: sends everything after the cursor and what has changed before it, or counts that for a dry run. */
import { UserError } from "../../lib/errors.ts";
import type { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { RowsRenumberedError } from "../chatdb/file/identity.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { StateFile } from "../platform/state_file.ts";
import type { ChangeScan } from "./changed_rows.ts";
import { type MessageProgress, MessageSyncRun } from "./message_sync_run.ts";
import {
  CountingUploader,
  type MessageUploader,
  ServerUploader,
  type UploadTotals,
} from "./message_upload.ts";
import {
  cursorWriter,
  type RestartReason,
  type SyncCursor,
  type SyncStart,
  syncStart,
} from "./sync_cursor.ts";
import { SYNC_PASSES } from "./sync_passes.ts";
import { addRefused, loadRecord, type SyncRecord } from "./sync_record.ts";

export interface DryRunOptions {
  database: ChatDatabase;
  /** The account behind the pairing; an account that does not exist has been sent nothing. See `ActivePairing`. */
  syncTarget: string;
  cursors: StateFile<SyncCursor>;
  /** Leave out messages from before this Unix time, now and in later syncs. Another value reads all rows again. */
  sinceMs?: number;
  /** Called before the first row is read, and after each acknowledged batch. */
  onProgress?: (progress: MessageProgress) => void;
  /** The present, in Unix time. */
  now?: () => number;
  /** About how many messages are sent and acknowledged at a time. */
  batchMessages?: number;
}

export interface MessageSyncOptions extends DryRunOptions {
  server: ServerClient;
  records: StateFile<SyncRecord>;
  /** The reader of `database` from the sync before, which knows how long the newest rows have been there. */
  reader?: MessageReader;
  /** Which rows from before are checked for edits; all of them by default. */
  scan?: ChangeScan;
}

interface MessageCounts {
  readonly restart: RestartReason | null;
  /** Rows that are no messages of their own, such as tapbacks and notes of the system. */
  readonly skipped: number;
  /** Messages left out because they are older than `--since`. */
  readonly leftOut: number;
  /** Messages sent without words because their body could not be decoded. */
  readonly undecodable: number;
  /** True when the last rows were left for the next sync, because Messages may still be writing them. */
  readonly isIncomplete: boolean;
}

export interface MessageSyncReport extends MessageCounts, Readonly<UploadTotals> {
  readonly refused: number;
  /** Messages that were sent again because Messages had changed them; `updated` and `unchanged` count them too. */
  readonly resent: number;
}

export interface MessageDryRunReport extends MessageCounts {
  /** New messages, and the conversations that they are in. */
  readonly toSend: number;
  readonly conversations: number;
  /** Messages that were sent before and have changed. */
  readonly changed: number;
  /** Rows that were deleted since, for good or into Recently Deleted. */
  readonly deleted: number;
}

/** Where a run sends to, and where it stores how far it is. */
interface SyncTarget {
  readonly uploader: MessageUploader;
  readonly save: ConstructorParameters<typeof MessageSyncRun>[0]["save"];
}

/** Rows may be renumbered while they are read; more often than this it is another fault. */
const MAX_RENUMBERINGS = 3;

/**
 * Sends every message after the cursor, until none is left, and those from before that have changed since.
 *
 * The cursor is stored after each batch that the server has acknowledged completely. Ended at any point, the next sync
 * repeats at most one batch, which the server recognises by its guids.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, and what `ServerClient` throws; the cursor then stands at
 * the last acknowledged batch
 */
export async function syncMessages(options: MessageSyncOptions): Promise<MessageSyncReport> {
  const { cursors, records } = options;
  return await withStableRows(options, async (reader, start) => {
    if (start.restart === "cursor_broken") await cursors.setAside();
    // What was refused before a restart is tried again.
    if (start.restart !== null) await records.save({ ...await loadRecord(records), refused: [] });
    const uploader = new ServerUploader(options.server);
    const saveCursor = cursorWriter(options, start);
    const run = await runPasses({ ...options, reader, start }, {
      uploader,
      // Refusals are on the disk before the cursor moves past them, so that none is lost unseen.
      save: async ({ lastRowId, lastGuid }, changes) => {
        await addRefused(records, uploader.refusals.take());
        await saveCursor({ markRowId: lastRowId, markGuid: lastGuid }, changes);
      },
    });
    const { restart } = start;
    const { totals, refusals } = uploader;
    return { restart, ...totals, ...run.counts, refused: refusals.total, isIncomplete: run.isIncomplete };
  });
}

/**
 * Counts what `syncMessages` would send. Sends nothing and stores nothing.
 *
 * @throws ChatDatabaseError when chat.db cannot be read
 */
export async function dryRunMessages(options: DryRunOptions): Promise<MessageDryRunReport> {
  return await withStableRows(options, async (reader, start) => {
    const uploader = new CountingUploader();
    const save = () => Promise.resolve();
    const run = await runPasses({ ...options, reader, start }, { uploader, save });
    const { resent: changed, ...counts } = run.counts;
    const { newMessages: toSend, conversations } = uploader;
    // A server that has nothing of this database has nothing to delete.
    const deleted = start.cursor === null ? 0 : uploader.deletions;
    const { isIncomplete } = run;
    return { restart: start.restart, changed, deleted, toSend, conversations, ...counts, isIncomplete };
  });
}

/** Sends everything from the start to the end of the database. */
async function runPasses(
  options: DryRunOptions & { reader: MessageReader; start: SyncStart; scan?: ChangeScan },
  target: SyncTarget,
): Promise<MessageSyncRun> {
  const { scan = "full", onProgress = () => {}, now = Date.now } = options;
  const run = new MessageSyncRun({ ...options, ...target, scan, onProgress, now });
  for (const pass of SYNC_PASSES) await pass(run);
  return run;
}

/** Starts again when Messages rebuilds its database while it is read. */
async function withStableRows<Report>(
  options: DryRunOptions & { reader?: MessageReader },
  sync: (reader: MessageReader, start: SyncStart) => Promise<Report>,
): Promise<Report> {
  const reader = options.reader ?? new MessageReader(options.database);
  for (let attempt = 1;; attempt++) {
    const start = await syncStart(options.cursors, options);
    if (start.restart !== null) reader.forgetRows();
    try {
      return await sync(reader, start);
    } catch (error) {
      if (!(error instanceof RowsRenumberedError)) throw error;
      if (attempt === MAX_RENUMBERINGS) throw new UserError(error.message, { cause: error });
      reader.forgetRows();
    }
  }
}
