/** The passes of a message sync, in their order. Each sends what it finds and stores how far it is. */
import { MAX_SYNC_DELETIONS } from "../../contract/sync.ts";
import { timestampChecksum } from "../chatdb/messages/row_timestamps.ts";
import { readBatch, type SyncBatch } from "./batches.ts";
import { newestRows, noteRecentlyDeleted, watchRow } from "./change_tracker.ts";
import { changedTimestamps, findWatched, knownRows } from "./changed_rows.ts";
import type { MessageSyncRun } from "./message_sync_run.ts";
import { noteBlock, noteTimestamps } from "./timestamp_index.ts";

export type SyncPass = (run: MessageSyncRun) => Promise<void>;

/** Deletions come last: what was still there when it was read and sent is deleted then. */
export const SYNC_PASSES: readonly SyncPass[] = [
  sendNewRows,
  sendChangedTimestamps,
  sendChangedRows,
  sendDeletions,
  sendRecentlyDeleted,
];

/** Sends the rows after the mark, batch by batch. */
async function sendNewRows(run: MessageSyncRun): Promise<void> {
  const { batchMessages: messages } = run.options;
  let batch: SyncBatch;
  do {
    const { lastRowId, lastGuid } = run.mark;
    batch = readBatch(run.reader, lastRowId, { nowMs: run.nowMs, markGuid: lastGuid, messages });
    await run.sendNew(batch);
    run.mark = { lastRowId: batch.lastRowId, lastGuid: batch.lastGuid };
    run.isIncomplete = batch.isIncomplete;
    noteBatch(run, batch);
    await sendReactions(run, batch);
    await run.save();
    run.advance(batch);
  } while (batch.hasMore);
}

/** Sends the rows again whose timestamps have changed: those edited, read or delivered. */
async function sendChangedTimestamps(run: MessageSyncRun): Promise<void> {
  const { lastRowId } = run.mark;
  const { scan } = run.options;
  for await (const { checksums, block } of changedTimestamps(run.reader, run.tracker, { lastRowId, scan })) {
    await run.sendAgain(run.findAgain(checksums.keys()), checksums);
    if (block !== null) noteBlock(run.tracker.timestamps, block);
    if (block !== null || checksums.size > 0) await run.save();
  }
}

/** Sends the watched rows again that have changed without a timestamp. */
async function sendChangedRows(run: MessageSyncRun): Promise<void> {
  const { lastRowId } = run.mark;
  const { scan } = run.options;
  await run.sendAgain(findWatched(run.reader, run.tracker, { lastRowId, scan, nowMs: run.nowMs }));
  run.uncomparedRowId = 0;
  await run.save();
}

/** Reports what was deleted for good since the last time, and sends the messages again whose tapbacks are gone. */
async function sendDeletions(run: MessageSyncRun): Promise<void> {
  const { tracker } = run;
  while (true) {
    const { guids, lastId } = run.deletions.deletedAfter(tracker.deletedId, { limit: MAX_SYNC_DELETIONS });
    if (lastId === tracker.deletedId) return;
    await run.options.uploader.delete(guids);
    const lost = run.reader.deletedTapbacks();
    await run.sendAgain(run.findAgain(knownRows(run.reader, new Set(lost.values()), run.mark)));
    run.reader.forgetTapbacks(lost);
    tracker.deletedId = lastId;
    await run.save();
  }
}

/** Reports what was moved to Recently Deleted, and sends what was recovered from there. */
async function sendRecentlyDeleted(run: MessageSyncRun): Promise<void> {
  const before = run.tracker.recentlyDeleted;
  const now = run.deletions.recentlyDeleted(run.mark.lastRowId);
  await run.options.uploader.delete([...now].flatMap(([rowId, guid]) => before.has(rowId) ? [] : [guid]));
  const recovered = [...before].filter((rowId) => !now.has(rowId));
  const found = run.findAgain(recovered);
  await run.sendAgain(found);
  const incomplete = recovered.filter((rowId) => found.outcomes.get(rowId)?.kind === "incomplete");
  noteRecentlyDeleted(run.tracker, [...now.keys(), ...incomplete]);
  await run.save();
}

/** Sends the earlier messages again that this batch's tapbacks belong to, unless they were read with them. */
async function sendReactions(run: MessageSyncRun, { skipped, lastRowId }: SyncBatch): Promise<void> {
  const isNew = (tapbackRowId: number, targetRowId: number) =>
    targetRowId <= run.options.start.rowId || tapbackRowId > run.reader.reactionsRowId;
  const targets = skipped.flatMap(({ rowId, targetGuid }) =>
    knownRows(run.reader, targetGuid === null ? [] : [targetGuid], { lastRowId })
      .filter((target) => isNew(rowId, target))
  );
  await run.sendAgain(run.findAgain(new Set(targets)));
}

/** Notes what was sent, and what was seen of the rows that are no messages. */
function noteBatch({ tracker, nowMs, counts }: MessageSyncRun, batch: SyncBatch): void {
  for (const message of batch.messages) {
    noteTimestamps(tracker.timestamps, { rowId: message.rowId, checksum: timestampChecksum(message) });
  }
  for (const message of newestRows(batch.messages)) {
    watchRow(tracker, message.rowId, { outcome: { kind: "message", message }, nowMs });
  }
  for (const row of batch.skipped) {
    noteTimestamps(tracker.timestamps, { rowId: row.rowId, checksum: row.timestampChecksum });
    watchRow(tracker, row.rowId, { outcome: { kind: "skipped", ...row }, nowMs });
  }
  counts.skipped += batch.skipped.length;
  counts.undecodable += batch.undecodable;
}
