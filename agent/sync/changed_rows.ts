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

export interface FindingOptions {
  /** Rows up to this one have been read before. */
  lastRowId: number;
  nowMs: number;
}

/** Rows that were read again. */
export interface FoundChanges {
  /** To be sent again, each in its present form. */
  readonly messages: readonly ChatMessage[];
  /** How each of them is now; null for one that is gone. */
  readonly outcomes: ReadonlyMap<number, RowOutcome | null>;
}

/** A row that Messages has finished writing, as far as one can tell. */
type FinishedRow =
  | Pick<Extract<RowOutcome, { kind: "message" }>, "kind" | "message">
  | Extract<RowOutcome, { kind: "skipped" }>;

/** Timestamps mostly change on recent messages; all others are compared in a full scan. */
export const RECENT_ROWS = 5_000;
/** So many rows are compared in one go: a few milliseconds without a pause. */
const ROWS_AT_ONCE = 5_000;
/** Messages keeps writing to a row for minutes: text, files, service, tapbacks that are taken back. */
const WATCH_MS = 60 * 60 * 1_000;
/** All that are watched for a while, and more drafts than anybody has. */
const RECENT_WATCHED_ROWS = 1_000;
/** Rows that are no messages yet, but become one under the same ROWID: when they are sent, recovered, or no longer junk. */
const WAITING: readonly SkipReason[] = ["scheduled", "recently_deleted", "junk"];
/** Rows that repeat another one. One that came first was a message until the other one did. */
const REPEATS: readonly SkipReason[] = ["self_chat_twin", "link_preview"];
/**
 * Rows that are no messages and may still change: a tapback goes when it is taken back, an empty row gets its text, and
 * what repeats another row becomes a message when that row goes.
 */
const UNSTEADY: readonly SkipReason[] = ["tapback", "empty", ...REPEATS];
const TAPBACK_STATE = "tapback:";
/** A row that Messages is still writing is looked at until it is not. */
const INCOMPLETE: Watch = { state: INCOMPLETE_STATE, untilMs: null };
/** How a row is now: the digest of everything that the server is sent of a message, or why it is none. */
function stateOf(outcome: FinishedRow): string {
  if (outcome.kind === "skipped") {
    return outcome.targetGuid === null ? outcome.reason : TAPBACK_STATE + outcome.targetGuid;
  }
  const { message } = outcome;
  const conversation = JSON.stringify(message.conversation?.id ?? null);
  return digestOf(`[${conversation},${outgoingMessageOf(message).json}]`);
}

/** How a row is watched from now on; null for one that does not change any more. */
function watchOf(outcome: FinishedRow, nowMs: number): Watch | null {
  const reason = outcome.kind === "message" ? null : outcome.reason;
  if (reason !== null && WAITING.includes(reason)) return { state: stateOf(outcome), untilMs: null };
  const isWatched = reason === null || UNSTEADY.includes(reason);
  return isWatched ? { state: stateOf(outcome), untilMs: nowMs + WATCH_MS } : null;
}

/** True for a row that waits to become a message, however long that takes. */
function isWaiting(outcome: RowOutcome): boolean {
  return outcome.kind === "skipped" && WAITING.includes(outcome.reason);
}

/** Notes what was sent of a batch, and what was seen of its rows that are no messages. Only the newest are watched. */
export function noteBatch(state: SyncState, { batch, nowMs }: { batch: SyncBatch; nowMs: number }): void {
  const { messages, skipped, incomplete } = batch;
  const watchedFrom = messages.at(-WATCHED_ROWS)?.rowId ?? 0;
  for (const message of messages) {
    state.noteChecksum(message.rowId, timestampChecksum(message));
    if (message.rowId < watchedFrom) continue;
    watch(state, message.rowId, watchOf({ kind: "message", message }, nowMs));
  }
  for (const row of skipped) {
    state.noteChecksum(row.rowId, row.timestampChecksum);
    watch(state, row.rowId, watchOf({ kind: "skipped", ...row }, nowMs));
  }
  for (const rowId of incomplete) watch(state, rowId, INCOMPLETE);
}

/**
 * Notes how rows were found when they were read again. One that is no message for the moment is watched from then on,
 * however old it is: whatever changed on it is sent when it is one again.
 *
 * @param options.checksums of the rows' timestamps, for those that are no messages
 */
export function noteFound(
  state: SyncState,
  options: { found: Pick<FoundChanges, "outcomes">; checksums?: Checksums; nowMs: number },
): void {
  const { found: { outcomes }, checksums, nowMs } = options;
  for (const [rowId, outcome] of outcomes) {
    const isWatched = state.watchedState(rowId) !== null;
    if (outcome === null) state.forget(rowId);
    else if (outcome.kind === "incomplete") {
      if (!isWatched) watch(state, rowId, INCOMPLETE);
    } else {
      const checksum = outcome.kind === "message"
        ? timestampChecksum(outcome.message)
        : checksums?.get(rowId);
      if (checksum !== undefined) state.noteChecksum(rowId, checksum);
      if (isWatched || isWaiting(outcome)) watch(state, rowId, watchOf(outcome, nowMs));
    }
  }
}

function watch(state: SyncState, rowId: number, watched: Watch | null): void {
  if (watched === null) state.unwatch(rowId);
  else state.watch(rowId, watched);
}

/** The rows that repeat another one and were not seen to do so before: they may have been sent as messages. */
export function newRepeats(
  state: Pick<SyncState, "watchedState">,
  outcomes: FoundChanges["outcomes"],
): number[] {
  return [...outcomes].flatMap(([rowId, outcome]) =>
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

/** Reads rows again: the messages among them, whether or not they have changed. */
export function findAgain(
  reader: MessageReader,
  rowIds: Iterable<number>,
  { nowMs }: Pick<FindingOptions, "nowMs">,
): FoundChanges {
  const wanted = [...rowIds];
  const seen = reader.readRows(wanted, { nowMs });
  const outcomes = new Map(wanted.map((rowId) => [rowId, seen.get(rowId) ?? null]));
  return { messages: messagesIn(seen.values()), outcomes };
}

/** Compares the watched rows: messages that differ from what was sent, and those whose tapbacks came or went. */
export function findWatched(
  reader: MessageReader,
  state: SyncState,
  options: FindingOptions & { scan: ChangeScan },
): FoundChanges {
  const watched = state.watched(options.scan === "full" ? -1 : RECENT_WATCHED_ROWS);
  const { outcomes } = findAgain(reader, watched.keys(), options);
  const targets = new Set<string>();
  const changed: RowOutcome[] = [];
  for (const [rowId, outcome] of outcomes) {
    if (outcome?.kind === "incomplete") continue;
    const before = watched.get(rowId) ?? "";
    const after = outcome === null ? "" : stateOf(outcome);
    if (after === before) continue;
    if (outcome !== null) changed.push(outcome);
    for (const target of [before, after].map(tapbackTargetIn)) if (target !== null) targets.add(target);
  }
  const reacted = findAgain(reader, knownRows(reader, targets, options), options);
  const unsent = reacted.messages.filter((message) =>
    state.watchedState(message.rowId) !== stateOf({ kind: "message", message })
  );
  const messages = new Map([...messagesIn(changed), ...unsent].map((item) => [item.rowId, item]));
  return { messages: [...messages.values()], outcomes: new Map([...outcomes, ...reacted.outcomes]) };
}

/** The rows of messages that were read before. */
export function knownRows(
  reader: MessageReader,
  guids: Iterable<string>,
  { lastRowId }: Pick<FindingOptions, "lastRowId">,
): number[] {
  const rowIds = [...guids].map((guid) => reader.rowIdOf(guid));
  return rowIds.filter((rowId): rowId is number => rowId !== null && rowId <= lastRowId);
}

/** The message that a row was a tapback on; null for other rows. */
function tapbackTargetIn(state: string): string | null {
  return state.startsWith(TAPBACK_STATE) ? state.slice(TAPBACK_STATE.length) : null;
}

function messagesIn(outcomes: Iterable<RowOutcome>): ChatMessage[] {
  return [...outcomes].flatMap((outcome) => outcome.kind === "message" ? [outcome.message] : [])
    .sort((a, b) => a.rowId - b.rowId);
}
