/** What may change on a row after it was read: how a row is noted, and how its changes are found. */
import { delay } from "../../lib/backoff.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { SkipReason } from "../chatdb/messages/message_class.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { RowOutcome } from "../chatdb/messages/row_reader.ts";
import { timestampChecksum } from "../chatdb/messages/row_timestamps.ts";
import {
  type Checksums,
  INCOMPLETE_STATE,
  type SyncState,
  type Watch,
  WATCHED_ROWS,
} from "../state/sync_state.ts";
import type { SyncBatch } from "./batches.ts";
import { digestOf, outgoingMessageOf } from "./message_mapping.ts";

/** `recent`: the newest rows, at each change of the database. `full`: every row, now and then. */
export type ChangeScan = "recent" | "full";

/** Rows that were read again, as they are now; null for one that is gone. */
export type RowsAgain = ReadonlyMap<number, RowOutcome | null>;

/** A row as it was read, as far as it is compared. */
type SeenRow =
  | Pick<Extract<RowOutcome, { kind: "message" }>, "kind" | "message">
  | Exclude<RowOutcome, { kind: "message" }>;

/** Timestamps mostly change on recent messages; all others are compared in a full scan. */
export const RECENT_ROWS = 5_000;
/** So many rows are compared in one go: a few milliseconds without a pause. */
const ROWS_AT_ONCE = 5_000;
/** Messages keeps writing to a row for minutes: text, files, service, tapbacks that are taken back. */
const WATCH_MS = 60 * 60 * 1_000;
/**
 * How long a row that is no message is compared again, in milliseconds. What is not named here does not change any more.
 * Rows that repeat another one become messages when that row goes; one that came first was a message until it did.
 */
const WATCHED_MS: Partial<Record<SkipReason, number>> = {
  // They become messages under the same ROWID: when they are sent, recovered, or no longer junk.
  scheduled: Infinity,
  recently_deleted: Infinity,
  junk: Infinity,
  // It goes when it is taken back.
  tapback: WATCH_MS,
  // It gets its text.
  empty: WATCH_MS,
  self_chat_twin: WATCH_MS,
  link_preview: WATCH_MS,
};
const REPEATS: readonly SkipReason[] = ["self_chat_twin", "link_preview"];
const TAPBACK_STATE = "tapback:";

/** How a row is now: the digest of everything that the server is sent of a message, or why it is none. */
function stateOf(outcome: SeenRow): string {
  if (outcome.kind === "incomplete") return INCOMPLETE_STATE;
  if (outcome.kind === "skipped") {
    return outcome.targetGuid === null ? outcome.reason : TAPBACK_STATE + outcome.targetGuid;
  }
  return messageStateOf(outcome.message);
}

const messageStates = new WeakMap<ChatMessage, string>();

/** Made once for as long as the message is in memory. */
function messageStateOf(message: ChatMessage): string {
  let state = messageStates.get(message);
  if (state === undefined) {
    const conversation = JSON.stringify(message.conversation?.id ?? null);
    state = digestOf(`[${conversation},${outgoingMessageOf(message).json}]`);
    messageStates.set(message, state);
  }
  return state;
}

/** How a row is watched from now on; null for one that does not change any more. */
function watchOf(outcome: SeenRow, nowMs: number): Watch | null {
  // A row that Messages is still writing is looked at until it is not.
  if (outcome.kind === "incomplete") return { state: stateOf(outcome), untilMs: null };
  const watchMs = outcome.kind === "message" ? WATCH_MS : WATCHED_MS[outcome.reason];
  if (watchMs === undefined) return null;
  return { state: stateOf(outcome), untilMs: watchMs === Infinity ? null : nowMs + watchMs };
}

/** Notes what was sent of a batch, and what was seen of its rows that are no messages. Only the newest are watched. */
export function noteBatch(state: SyncState, { batch, nowMs }: { batch: SyncBatch; nowMs: number }): void {
  const watchedFrom = batch.messages.at(-WATCHED_ROWS)?.rowId ?? 0;
  for (const message of batch.messages) {
    state.noteChecksum(message.rowId, timestampChecksum(message));
    if (message.rowId < watchedFrom) continue;
    state.watch(message.rowId, watchOf({ kind: "message", message }, nowMs));
  }
  for (const row of batch.skipped) {
    state.noteChecksum(row.rowId, row.timestampChecksum);
    state.watch(row.rowId, watchOf({ kind: "skipped", ...row }, nowMs));
    state.noteOutcome(row.rowId, "skipped");
  }
  for (const rowId of batch.incomplete) {
    state.watch(rowId, watchOf({ kind: "incomplete" }, nowMs));
    state.noteOutcome(rowId, "incomplete");
  }
}

/**
 * Notes how rows are that were read again. One that is to become a message is watched from then on, however old it is:
 * whatever changed on it is sent when it is one again.
 *
 * @param options.checksums of the rows' timestamps, for those that are no messages
 */
export function noteAgain(
  state: SyncState,
  rows: RowsAgain,
  { checksums, nowMs }: { checksums?: Checksums; nowMs: number },
): void {
  for (const [rowId, outcome] of rows) {
    if (outcome === null) {
      state.forget(rowId);
      continue;
    }
    const isWatched = state.watchedState(rowId) !== null;
    if (outcome.kind === "incomplete" && isWatched) continue;
    // Of messages the run notes it, which has sent them.
    if (outcome.kind !== "message") state.noteOutcome(rowId, outcome.kind);
    const checksum = outcome.kind === "message" ? timestampChecksum(outcome.message) : checksums?.get(rowId);
    if (outcome.kind !== "incomplete" && checksum !== undefined) state.noteChecksum(rowId, checksum);
    const watch = watchOf(outcome, nowMs);
    if (isWatched || watch?.untilMs === null) state.watch(rowId, watch);
  }
}

/** The rows that repeat another one and were not seen to do so before: they may have been sent as messages. */
export function newRepeats(state: SyncState, rows: RowsAgain): number[] {
  return [...rows].flatMap(([rowId, outcome]) =>
    outcome?.kind === "skipped" && REPEATS.includes(outcome.reason) &&
      ![outcome.reason, INCOMPLETE_STATE].includes(state.watchedState(rowId) ?? "")
      ? [rowId]
      : []
  );
}

/**
 * Rows whose timestamps have changed, some at a time, and the checksum of each; 0 for a row that has lost them, or is
 * gone. In a full scan all rows are compared, otherwise the newest.
 */
export async function* changedTimestamps(
  reader: Pick<MessageReader, "findTimestamps">,
  state: Pick<SyncState, "checksums">,
  { lastRowId, scan }: { lastRowId: number; scan: ChangeScan },
): AsyncGenerator<Checksums> {
  const from = scan === "full" ? 1 : Math.max(1, lastRowId - RECENT_ROWS + 1);
  for (let first = from; first <= lastRowId; first += ROWS_AT_ONCE) {
    const last = Math.min(lastRowId, first + ROWS_AT_ONCE - 1);
    const [before, now] = [state.checksums(first, last), reader.findTimestamps(first, last)];
    const lost = [...before.keys()].filter((rowId) => !now.has(rowId));
    const changed = [...now].filter(([rowId, checksum]) => before.get(rowId) !== checksum);
    if (lost.length + changed.length > 0) {
      yield new Map([...lost.map((rowId) => [rowId, 0] as const), ...changed]);
    }
    if (last < lastRowId) await delay(0);
  }
}

/** The messages among rows that differ from what was sent, as far as they are watched. */
export function unsentIn(
  state: SyncState,
  { rows, watched }: { rows: RowsAgain; watched: ReadonlyMap<number, string> },
): ChatMessage[] {
  return messagesIn(rows).filter((message) => {
    const sent = watched.get(message.rowId) ?? state.watchedState(message.rowId);
    return sent !== messageStateOf(message);
  });
}

/** The messages whose tapbacks came or went, by what watched rows were and what they are. */
export function changedTargets(watched: ReadonlyMap<number, string>, rows: RowsAgain): Set<string> {
  const targets = [...rows].flatMap(([rowId, outcome]) => {
    if (outcome?.kind === "incomplete") return [];
    const [before, after] = [watched.get(rowId) ?? "", outcome === null ? "" : stateOf(outcome)];
    return before === after ? [] : [before, after].filter((state) => state.startsWith(TAPBACK_STATE));
  });
  return new Set(targets.map((state) => state.slice(TAPBACK_STATE.length)));
}

/** The messages among rows, in their order. */
export function messagesIn(rows: RowsAgain): ChatMessage[] {
  return [...rows.values()].flatMap((outcome) => outcome?.kind === "message" ? [outcome.message] : [])
    .sort((a, b) => a.rowId - b.rowId);
}
