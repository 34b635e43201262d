/** The proof that no row was missed: chat.db's rows are compared with the outcomes that were noted, one by one or by counts. */
import type { Capture } from "../../contract/sync.ts";
import { delay } from "../../lib/backoff.ts";
import { type ChatDatabase, countRows, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { INCOMPLETE_STATE, type ReadOutcome, type SyncState } from "../state/sync_state.ts";
import type { MessageSyncRun } from "./message_sync_run.ts";

const COMPARED_AT_ONCE = 5_000;
const READ_AT_ONCE = 1_000;

/**
 * What happened to the rows of chat.db up to the mark, as far as it was noted. `gaps` counts those that are there and have no
 * outcome, or one that is not final. A row that was deleted since the last full sync counts as read until the next one.
 *
 * @throws ChatDatabaseError when chat.db cannot be read, DamagedStateError when the state cannot
 */
export function captureOf(database: ChatDatabase, state: SyncState): Capture {
  const counts = state.outcomeCounts();
  const count = (outcome: ReadOutcome) => counts.get(outcome) ?? 0;
  const [stored, refused] = [count("stored"), count("refused")];
  const setAside = count("skipped") + count("left_out");
  const rowsRead = stored + refused + setAside;
  // Without a condition SQLite counts in the smallest index: few pages, where up to the mark it would read the whole table.
  const rows = countRows(database) - countRowsAfter(database, state.cursor?.database.markRowId ?? 0);
  return { rowsRead, stored, refused, setAside, gaps: Math.max(0, rows - rowsRead) };
}

/**
 * Compares the rows up to where the run began with the outcomes, in a full scan: one without is sent, and an outcome whose row
 * is gone goes too. Rows that a version before has read were acknowledged then: of those the outcome is noted alone.
 */
export async function sendMissedRows(run: MessageSyncRun): Promise<void> {
  if (run.scan !== "full") return;
  const { hasOutcomes } = run.cursor;
  const refused = hasOutcomes ? null : refusedRows(run.state);
  for (let first = 1; first <= run.startRowId; first += COMPARED_AT_ONCE) {
    const last = Math.min(run.startRowId, first + COMPARED_AT_ONCE - 1);
    const [there, known] = [run.reader.rowIds(first, last), run.state.rowsWithOutcome(first, last)];
    const missed = there.filter((rowId) => !known.delete(rowId));
    if (known.size > 0) run.commit(() => known.forEach((rowId) => run.state.forgetUnwatched(rowId)));
    for (let place = 0; place < missed.length; place += READ_AT_ONCE) {
      const some = missed.slice(place, place + READ_AT_ONCE);
      if (refused === null) await run.resend(some);
      else noteOutcomes(run, { rowIds: some, refused });
    }
    await delay(0);
  }
  if (!hasOutcomes) {
    run.cursor = { ...run.cursor, hasOutcomes: true };
    run.commit(() => {});
  }
}

/** The rows of messages that the server refused. */
function refusedRows({ database }: SyncState): Set<number> {
  const items = [...database.values("refused_items").all().values()];
  return new Set(items.flatMap(({ kind, rowId }) => kind === "message" ? [rowId] : []));
}

function noteOutcomes(
  run: MessageSyncRun,
  { rowIds, refused }: { rowIds: readonly number[]; refused: ReadonlySet<number> },
): void {
  const { state } = run;
  const rows = run.read(rowIds);
  run.commit(() => {
    for (const [rowId, outcome] of rows) {
      if (outcome === null) continue;
      const isWaiting = state.watchedState(rowId) === INCOMPLETE_STATE;
      if (outcome.kind !== "message" || isWaiting) {
        state.noteOutcome(rowId, isWaiting || outcome.kind === "message" ? "incomplete" : outcome.kind);
      } else if (run.isTooOld(outcome.message)) state.noteOutcome(rowId, "left_out");
      else state.noteOutcome(rowId, refused.has(rowId) ? "refused" : "stored");
    }
  });
}
