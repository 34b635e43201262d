/** The passes of a message sync, in their order. Each sends what it finds and stores how far it is. */
import { MAX_SYNC_DELETIONS } from "../../contract/sync.ts";
import { resolveOldBlocks } from "../state/json_takeover.ts";
import { readBatch, type SyncBatch } from "./batches.ts";
import { sendMissedRows } from "./capture.ts";
import { digestOf } from "./message_mapping.ts";
import { changedTargets, changedTimestamps, messagesIn, noteBatch, unsentIn } from "./changed_rows.ts";
import type { MessageSyncRun } from "./message_sync_run.ts";

export type SyncPass = (run: MessageSyncRun) => Promise<void>;

/** Deletions come last: what was still there when it was read and sent is deleted then. */
export const SYNC_PASSES: readonly SyncPass[] = [
  sendNewRows,
  sendNewNames,
  sendMovedChats,
  sendChangedTimestamps,
  sendChangedRows,
  sendMissedRows,
  sendDeletions,
  sendRecentlyDeleted,
];

/** Sends the rows after the mark, batch by batch. */
async function sendNewRows(run: MessageSyncRun): Promise<void> {
  const { batchMessages: messages } = run.options;
  let batch: SyncBatch;
  do {
    const { markRowId, markGuid } = run.cursor.database;
    batch = readBatch(run.reader, markRowId, { nowMs: run.nowMs, markGuid, messages });
    await run.sendNew(batch);
    const mark = { markRowId: batch.lastRowId, markGuid: batch.lastGuid };
    run.cursor = { ...run.cursor, database: { ...run.cursor.database, ...mark } };
    const reacted = run.read(reactedRows(run, batch));
    await run.sendAgain(reacted);
    run.commit(() => {
      noteBatch(run.state, { batch, nowMs: run.nowMs });
      run.noteAgain(reacted);
      run.state.prune({ afterRowId: run.startRowId, nowMs: run.nowMs });
    });
    run.counts.skipped += batch.skipped.length;
    run.counts.undecodable += batch.undecodable;
    run.advance(batch.rows);
  } while (batch.hasMore);
}

/** The earlier messages that this batch's tapbacks belong to, unless they were read with them. */
function reactedRows(run: MessageSyncRun, { skipped }: SyncBatch): Set<number> {
  const isNew = (tapbackRowId: number, targetRowId: number) =>
    targetRowId <= run.startRowId || tapbackRowId > run.reader.reactionsRowId;
  const targets = skipped.flatMap(({ rowId, targetGuid }) =>
    targetGuid === null ? [] : run.rowsOf([targetGuid]).filter((target) => isNew(rowId, target))
  );
  return new Set(targets);
}

/** Sends the rows again whose timestamps have changed: those edited, read or delivered. */
async function sendChangedTimestamps(run: MessageSyncRun): Promise<void> {
  const { markRowId: lastRowId, reader, state, scan } = run;
  if (scan === "full") await resolveOldBlocks(state, reader.findTimestamps);
  for await (const checksums of changedTimestamps(reader, state, { lastRowId, scan })) {
    await run.resend(checksums.keys(), checksums);
  }
}

/** All that are watched for a while, and more drafts than anybody has. */
const RECENT_WATCHED_ROWS = 1_000;

/** Sends the watched rows again that have changed without a timestamp, and messages whose tapbacks came or went. */
async function sendChangedRows(run: MessageSyncRun): Promise<void> {
  const { state, scan } = run;
  const watched = state.watched(scan === "full" ? -1 : RECENT_WATCHED_ROWS);
  const own = run.read(watched.keys());
  const rows = new Map([...own, ...run.read(run.rowsOf(changedTargets(watched, own)))]);
  run.isIncomplete = rows.values().some((outcome) => outcome?.kind === "incomplete");
  await run.sendAgain(rows, unsentIn(state, { rows, watched }));
  run.commit(() => {
    run.noteAgain(rows);
    state.prune({ afterRowId: 0, nowMs: run.nowMs });
  });
}

/** Reports what was deleted for good since the last time, and sends the messages again whose tapbacks are gone. */
async function sendDeletions(run: MessageSyncRun): Promise<void> {
  const { reader } = run;
  while (true) {
    const { deletedId } = run.cursor;
    const { guids, lastId } = run.deletions.deletedAfter(deletedId, { limit: MAX_SYNC_DELETIONS });
    if (lastId === deletedId) return;
    await run.options.uploader.delete(guids);
    const lost = reader.deletedTapbacks();
    run.cursor = { ...run.cursor, deletedId: lastId };
    await run.resend(run.rowsOf(new Set(lost.values())));
    reader.forgetTapbacks(lost);
  }
}

/** Reports what was moved to Recently Deleted, and sends what was recovered from there. */
async function sendRecentlyDeleted(run: MessageSyncRun): Promise<void> {
  const before = run.state.reportedDeleted();
  const now = run.deletions.recentlyDeleted(run.markRowId);
  await run.options.uploader.delete([...now].flatMap(([rowId, guid]) => before.has(rowId) ? [] : [guid]));
  const recovered = run.read([...before].filter((rowId) => !now.has(rowId)));
  await run.sendAgain(recovered);
  const incomplete = [...recovered].flatMap(([rowId, outcome]) =>
    outcome?.kind === "incomplete" ? [rowId] : []
  );
  run.commit(() => {
    run.state.noteReportedDeleted(new Set([...now.keys(), ...incomplete]));
    run.noteAgain(recovered);
  });
}

/** Newest rows of a group among which one is a message, as far as a group is ever renamed twenty times in a row. */
const ROWS_TO_LOOK_AT = 20;

/** Sends the newest message again of each group that has another name than before: its batch carries the name. */
async function sendNewNames(run: MessageSyncRun): Promise<void> {
  const names = run.state.database.document("group_names");
  const before = names.get();
  const now: Record<string, string> = {};
  for (const [{ id, displayName }, chatIds] of run.reader.directory.groups()) {
    const [key, name] = [digestOf(id), digestOf(displayName ?? "")];
    now[key] = name;
    if (before?.[key] === undefined || before[key] === name) continue;
    const rowIds = run.reader.newestRows(chatIds, { upTo: run.markRowId, limit: ROWS_TO_LOOK_AT });
    await run.sendChanged(messagesIn(run.read(rowIds)).slice(-1));
  }
  if (JSON.stringify(before) !== JSON.stringify(now)) run.commit(() => names.put(now));
}

const ROWS_AT_ONCE = 1_000;

/**
 * Sends all messages of a chat again whose conversation is another one than before: a number has become known with its
 * country code, or a group as one that was created again. The server moves them. What an earlier version sent may have gone
 * under an address as the database spells it.
 */
async function sendMovedChats(run: MessageSyncRun): Promise<void> {
  if (run.scan !== "full") return;
  const { directory } = run.reader;
  const conversations = run.state.database.document("conversations");
  const before = conversations.get();
  const now: Record<string, string> = {};
  for (const [chatId, { id }] of directory.conversations()) {
    const digest = now[chatId] = digestOf(id);
    const sentAs = before === null
      ? digestOf(directory.writtenAddress(chatId) ?? id)
      : before[chatId] ?? digest;
    if (run.startRowId > 0 && sentAs !== digest) await sendRowsOf(run, chatId);
  }
  if (JSON.stringify(before) !== JSON.stringify(now)) run.commit(() => conversations.put(now));
}

async function sendRowsOf(run: MessageSyncRun, chatId: number): Promise<void> {
  let rowIds: number[] = [];
  do {
    rowIds = run.reader.rowsOfChat(chatId, {
      after: rowIds.at(-1) ?? 0,
      upTo: run.markRowId,
      limit: ROWS_AT_ONCE,
    });
    await run.resend(rowIds);
  } while (rowIds.length === ROWS_AT_ONCE);
}
