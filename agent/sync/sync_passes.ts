/** The passes of a message sync, in their order. Each sends what it finds and stores how far it is. */
import { z } from "zod";
import { MAX_SYNC_DELETIONS } from "../../contract/sync.ts";
import { resolveOldBlocks } from "../state/json_takeover.ts";
import { readBatch, type SyncBatch } from "./batches.ts";
import { digestOf } from "./message_mapping.ts";
import { Values } from "../state/agent_database.ts";
import { changedTimestamps, findWatched, type FoundChanges, knownRows } from "./changed_rows.ts";
import type { MessageSyncRun } from "./message_sync_run.ts";

export type SyncPass = (run: MessageSyncRun) => Promise<void>;

/** Deletions come last: what was still there when it was read and sent is deleted then. */
export const SYNC_PASSES: readonly SyncPass[] = [
  sendNewRows,
  sendNewNames,
  sendMovedChats,
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
    const { markRowId, markGuid } = run.cursor.database;
    batch = readBatch(run.reader, markRowId, { nowMs: run.nowMs, markGuid, messages });
    await run.sendNew(batch);
    const reacted = findReactions(run, batch);
    await run.sendFound(reacted);
    const mark = { markRowId: batch.lastRowId, markGuid: batch.lastGuid };
    run.cursor = { ...run.cursor, database: { ...run.cursor.database, ...mark } };
    run.commit(() => {
      run.noteBatch(batch);
      run.noteFound(reacted);
      run.state.prune({ afterRowId: run.startRowId, nowMs: run.nowMs });
    });
    run.advance(batch);
  } while (batch.hasMore);
}

/** The earlier messages that this batch's tapbacks belong to, unless they were read with them. */
function findReactions(run: MessageSyncRun, { skipped, lastRowId }: SyncBatch): FoundChanges {
  const isNew = (tapbackRowId: number, targetRowId: number) =>
    targetRowId <= run.startRowId || tapbackRowId > run.reader.reactionsRowId;
  const targets = skipped.flatMap(({ rowId, targetGuid }) =>
    knownRows(run.reader, targetGuid === null ? [] : [targetGuid], { lastRowId })
      .filter((target) => isNew(rowId, target))
  );
  return run.findAgain(new Set(targets));
}

/** Sends the rows again whose timestamps have changed: those edited, read or delivered. */
async function sendChangedTimestamps(run: MessageSyncRun): Promise<void> {
  const { markRowId: lastRowId, reader, state, options: { scan } } = run;
  if (scan === "full") await resolveOldBlocks(state, reader.findTimestamps);
  for await (const checksums of changedTimestamps(reader, state, { lastRowId, scan })) {
    const found = run.findAgain(checksums.keys());
    await run.sendFound(found);
    run.commit(() => run.noteFound(found, checksums));
  }
}

/** Sends the watched rows again that have changed without a timestamp. */
async function sendChangedRows(run: MessageSyncRun): Promise<void> {
  const { markRowId: lastRowId, reader, state, nowMs, options: { scan } } = run;
  const found = findWatched(reader, state, { lastRowId, scan, nowMs });
  run.isIncomplete = [...found.outcomes.values()].some((outcome) => outcome?.kind === "incomplete");
  await run.sendFound(found);
  run.commit(() => {
    run.noteFound(found);
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
    const targets = knownRows(reader, new Set(lost.values()), { lastRowId: run.markRowId });
    const found = run.findAgain(targets);
    await run.sendFound(found);
    reader.forgetTapbacks(lost);
    run.cursor = { ...run.cursor, deletedId: lastId };
    run.commit(() => run.noteFound(found));
  }
}

/** Reports what was moved to Recently Deleted, and sends what was recovered from there. */
async function sendRecentlyDeleted(run: MessageSyncRun): Promise<void> {
  const before = run.state.reportedDeleted();
  const now = run.deletions.recentlyDeleted(run.markRowId);
  await run.options.uploader.delete([...now].flatMap(([rowId, guid]) => before.has(rowId) ? [] : [guid]));
  const recovered = [...before].filter((rowId) => !now.has(rowId));
  const found = run.findAgain(recovered);
  await run.sendFound(found);
  const incomplete = recovered.filter((rowId) => found.outcomes.get(rowId)?.kind === "incomplete");
  run.commit(() => {
    run.state.noteReportedDeleted(new Set([...now.keys(), ...incomplete]));
    run.noteFound(found);
  });
}

/** Names the document with what the server was sent as the name of each group, both as digests. */
const GROUP_NAMES = "group_names";
/** Newest rows of a group among which one is a message, as far as a group is ever renamed twenty times in a row. */
const ROWS_TO_LOOK_AT = 20;

/** Sends the newest message again of each group that has another name than before: its batch carries the name. */
async function sendNewNames(run: MessageSyncRun): Promise<void> {
  const names = new Values(run.state.database, {
    table: "documents",
    schema: z.record(z.string(), z.string()),
  });
  const before = names.get(GROUP_NAMES);
  const now: Record<string, string> = {};
  for (const [{ id, displayName }, chatIds] of run.reader.directory.groups()) {
    const [key, name] = [digestOf(id), digestOf(displayName ?? "")];
    now[key] = name;
    if (before?.[key] === undefined || before[key] === name) continue;
    const rowIds = run.reader.newestRows(chatIds, { upTo: run.markRowId, limit: ROWS_TO_LOOK_AT });
    await run.sendChanged(run.findAgain(rowIds).messages.slice(-1));
  }
  if (JSON.stringify(before) !== JSON.stringify(now)) run.commit(() => names.put(GROUP_NAMES, now));
}

/** Names the document with the conversation under which the rows of each chat were sent, as digests. */
const CONVERSATIONS = "conversations";
const ROWS_AT_ONCE = 1_000;

/**
 * Sends all messages of a chat again whose conversation is another one than before: a number has become known with its
 * country code, or a group as one that was created again. The server moves them. What an earlier version sent may have gone
 * under an address as the database spells it.
 */
async function sendMovedChats(run: MessageSyncRun): Promise<void> {
  if (run.options.scan !== "full") return;
  const { directory } = run.reader;
  const documents = new Values(run.state.database, {
    table: "documents",
    schema: z.record(z.string(), z.string()),
  });
  const before = documents.get(CONVERSATIONS);
  const now: Record<string, string> = {};
  for (const [chatId, { id }] of directory.conversations()) {
    const digest = now[chatId] = digestOf(id);
    const sentAs = before === null
      ? digestOf(directory.writtenAddress(chatId) ?? id)
      : before[chatId] ?? digest;
    if (run.startRowId > 0 && sentAs !== digest) await sendRowsOf(run, chatId);
  }
  if (JSON.stringify(before) !== JSON.stringify(now)) run.commit(() => documents.put(CONVERSATIONS, now));
}

async function sendRowsOf(run: MessageSyncRun, chatId: number): Promise<void> {
  for (let after = 0;;) {
    const rowIds = run.reader.rowsOfChat(chatId, { after, upTo: run.markRowId, limit: ROWS_AT_ONCE });
    const found = run.findAgain(rowIds);
    await run.sendFound(found);
    run.commit(() => run.noteFound(found));
    if (rowIds.length < ROWS_AT_ONCE) return;
    after = rowIds.at(-1) ?? after;
  }
}
