/** Owns what is remembered of rows that were read, so that it is seen when Messages changes them afterwards. */
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { SkipReason } from "../chatdb/messages/message_class.ts";
import type { RowOutcome } from "../chatdb/messages/row_reader.ts";
import { timestampChecksum } from "../chatdb/messages/row_timestamps.ts";
import { countField, numberField, objectField, textField } from "../platform/state_file.ts";
import { wireMessageOf } from "./message_mapping.ts";
import {
  byRowId,
  noteTimestamps,
  openTimestamps,
  type TimestampFields,
  timestampFields,
  timestampFieldsOf,
  type TimestampIndex,
} from "./timestamp_index.ts";
import { digestOf } from "./wire_text.ts";

/** How a row was last seen. */
export interface WatchedRow {
  /** The digest of what was sent of a message; else why the row is none. */
  readonly state: string;
  /** Unix time after which the row is no longer looked at; null while it still is to become a message. */
  readonly untilMs: number | null;
}

/** The ledger in the agent's state, keyed by ROWID. */
export interface TrackerFields {
  readonly stamps: TimestampFields;
  readonly watched: Readonly<Record<string, WatchedRow>>;
  readonly putAway: readonly number[];
  readonly deletedId: number;
}

export interface ChangeTracker {
  readonly stamps: TimestampIndex;
  /** Rows that may change without a stamp. */
  readonly watched: Map<number, WatchedRow>;
  /** Rows in Recently Deleted that the server was told of. */
  putAway: ReadonlySet<number>;
  /** The server was told of all deletions up to this one; see `DeletionFinder`. */
  deletedId: number;
}

/** Messages goes on writing a row for minutes: text, files, service, tapbacks that are taken back. */
const WATCH_MS = 60 * 60 * 1_000;
/** More rows than a person's Messages gets in an hour; a first sync leaves its newest ones. */
const WATCHED_ROWS = 500;
/** Far more drafts than anybody keeps; rows in Recently Deleted are here only until the server was told of them. */
const WAITING_ROWS = 10_000;
/** Rows that are no messages yet, but become one under the same ROWID: when they are sent, put back, or no longer junk. */
const WAITING: readonly SkipReason[] = ["scheduled", "recently_deleted", "junk"];
/**
 * Rows that are no messages and may still change: a tapback goes when it is taken back, an empty row gets its text, and
 * what repeats another row becomes a message when that row goes.
 */
const UNSTEADY: readonly SkipReason[] = ["tapback", "empty", "self_chat_twin", "link_preview"];
const TAPBACK_STATE = "tapback:";
const UNFINISHED_STATE = "unfinished";

function watchedRowOf(fields: Record<string, unknown> | null): WatchedRow {
  if (fields === null) throw new TypeError("A watched row must be an object");
  const untilMs = fields.untilMs === null ? null : numberField(fields, "untilMs");
  return { state: textField(fields, "state"), untilMs };
}

function isRowIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((rowId) => Number.isSafeInteger(rowId));
}

/** Checks the ledger of a state that was stored. */
export function trackerFieldsOf(fields: Record<string, unknown> | null): TrackerFields {
  const watched = objectField(fields ?? {}, "watched");
  const putAway: unknown = fields?.putAway;
  if (fields === null || watched === null || !isRowIds(putAway)) {
    throw new TypeError("A ledger must list its rows");
  }
  return {
    putAway,
    deletedId: countField(fields, "deletedId"),
    stamps: timestampFieldsOf(objectField(fields, "stamps")),
    watched: Object.fromEntries(
      Object.keys(watched).map((rowId) => [rowId, watchedRowOf(objectField(watched, rowId))]),
    ),
  };
}

/**
 * The ledger that was stored, or an empty one.
 *
 * @param deletedId the mark of an empty one
 */
export function openTracker(stored: TrackerFields | null, deletedId: number): ChangeTracker {
  return {
    stamps: openTimestamps(stored?.stamps ?? null),
    watched: byRowId(stored?.watched ?? {}),
    putAway: new Set(stored?.putAway),
    deletedId: stored?.deletedId ?? deletedId,
  };
}

/** The ledger as it is stored. */
export function trackerFields({ stamps, watched, putAway, deletedId }: ChangeTracker): TrackerFields {
  return {
    stamps: timestampFields(stamps),
    watched: Object.fromEntries(watched),
    putAway: [...putAway],
    deletedId,
  };
}

/** Stands for all that the server is told of a message. */
function stateOfMessage(message: ChatMessage): string {
  const wire = wireMessageOf(message);
  return digestOf(JSON.stringify([message.conversation?.id ?? null, wire]));
}

/** A row that Messages has finished, as far as one can tell. */
export type FinishedRow =
  | Pick<Extract<RowOutcome, { kind: "message" }>, "kind" | "message">
  | Extract<RowOutcome, { kind: "skipped" }>;

/** How a row is seen now. */
export function stateOf(outcome: FinishedRow): string {
  if (outcome.kind === "message") return stateOfMessage(outcome.message);
  return outcome.targetGuid === null ? outcome.reason : TAPBACK_STATE + outcome.targetGuid;
}

/** The message whose tapback a row was seen as; null for another row. */
export function tapbackTargetIn(state: string): string | null {
  return state.startsWith(TAPBACK_STATE) ? state.slice(TAPBACK_STATE.length) : null;
}

/** Notes how a row was seen, and until when it is to be looked at again. */
export function watchRow(
  ledger: ChangeTracker,
  rowId: number,
  { outcome, nowMs }: { outcome: FinishedRow; nowMs: number },
): void {
  const state = stateOf(outcome);
  if (ledger.watched.get(rowId)?.state === state) return;
  const reason = outcome.kind === "message" ? null : outcome.reason;
  if (reason !== null && WAITING.includes(reason)) ledger.watched.set(rowId, { state, untilMs: null });
  else if (reason === null || UNSTEADY.includes(reason)) {
    ledger.watched.set(rowId, { state, untilMs: nowMs + WATCH_MS });
  } else ledger.watched.delete(rowId);
}

/**
 * Notes what came of looking at a row once more; null when it is gone. A row that is no message for the moment is
 * watched from then on, however old it is: whatever changed on it is sent when it is one again.
 *
 * @param options.stamps sums of the rows' stamps, for those that are no messages
 */
export function noteOutcome(
  ledger: ChangeTracker,
  rowId: number,
  options: { outcome: RowOutcome | null; stamps: ReadonlyMap<number, number>; nowMs: number },
): void {
  const { outcome, stamps, nowMs } = options;
  if (outcome === null) {
    noteTimestamps(ledger.stamps, { rowId, sum: 0 });
    ledger.watched.delete(rowId);
  } else if (outcome.kind === "incomplete") {
    if (!ledger.watched.has(rowId)) {
      ledger.watched.set(rowId, { state: UNFINISHED_STATE, untilMs: nowMs + WATCH_MS });
    }
  } else {
    const sum = outcome.kind === "message" ? timestampChecksum(outcome.message) : stamps.get(rowId);
    if (sum !== undefined) noteTimestamps(ledger.stamps, { rowId, sum });
    const isWaiting = outcome.kind === "skipped" && WAITING.includes(outcome.reason);
    if (isWaiting || ledger.watched.has(rowId)) watchRow(ledger, rowId, { outcome, nowMs });
  }
}

/** Notes which rows the server knows to be in Recently Deleted; they are no longer looked at one by one. */
export function noteRecentlyDeleted(ledger: ChangeTracker, rowIds: Iterable<number>): void {
  ledger.putAway = new Set(rowIds);
  for (const rowId of ledger.putAway) ledger.watched.delete(rowId);
}

/**
 * Lets go of rows that are old enough, and of the oldest when there are too many. Rows up to `heldRowId` stay: they are
 * still to be looked at, however many came after them.
 */
export function pruneTracker(
  { watched }: ChangeTracker,
  { nowMs, heldRowId }: { nowMs: number; heldRowId: number },
): void {
  const left = { timed: WATCHED_ROWS, waiting: WAITING_ROWS };
  for (const [rowId, { untilMs }] of [...watched].sort(([a], [b]) => b - a)) {
    if (rowId <= heldRowId) return;
    const isOver = left[untilMs === null ? "waiting" : "timed"]-- <= 0;
    if (isOver || (untilMs ?? Infinity) <= nowMs) watched.delete(rowId);
  }
}

/** The rows at the end of a round that are worth noting: more would only be let go again. */
export function newestRows<Row>(rows: readonly Row[]): readonly Row[] {
  return rows.slice(-WATCHED_ROWS);
}
