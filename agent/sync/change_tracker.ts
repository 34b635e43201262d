/** Remembers how rows were when they were read, to find what Messages changes afterwards. */
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { SkipReason } from "../chatdb/messages/message_class.ts";
import type { RowOutcome } from "../chatdb/messages/row_reader.ts";
import { timestampChecksum } from "../chatdb/messages/row_timestamps.ts";
import { countField, numberField, objectField, textField } from "../platform/state_file.ts";
import { outgoingMessageOf } from "./message_mapping.ts";
import {
  byRowId,
  noteTimestamps,
  openTimestampIndex,
  type TimestampIndex,
  type TimestampIndexFields,
  timestampIndexFields,
  timestampIndexFieldsOf,
} from "./timestamp_index.ts";
import { digestOf } from "./message_mapping.ts";

/** How a row was last seen. */
export interface WatchedRow {
  /** The digest of the message that was sent; for a row that is no message, why it is none. */
  readonly state: string;
  /** Unix time after which the row is no longer compared; null while it still is to become a message. */
  readonly untilMs: number | null;
}

/** The keys under which the timestamp index and the rows in Recently Deleted are stored. */
// deno-lint-ignore style/language -- stored by earlier versions
const STORED = { timestamps: "stamps", recentlyDeleted: "putAway" } as const;

/** The tracker as it is stored, rows keyed by ROWID. */
export interface TrackerFields {
  readonly [STORED.timestamps]: TimestampIndexFields;
  readonly watched: Readonly<Record<string, WatchedRow>>;
  readonly [STORED.recentlyDeleted]: readonly number[];
  readonly deletedId: number;
}

export interface ChangeTracker {
  readonly timestamps: TimestampIndex;
  /** Rows that may change without a timestamp. */
  readonly watched: Map<number, WatchedRow>;
  /** Rows in Recently Deleted that were reported to the server. */
  recentlyDeleted: ReadonlySet<number>;
  /** All deletions up to this one were reported to the server; see `DeletionFinder`. */
  deletedId: number;
}

/** Messages keeps writing to a row for minutes: text, files, service, tapbacks that are taken back. */
const WATCH_MS = 60 * 60 * 1_000;
/** More rows than a person's Messages gets in an hour; a first sync leaves its newest ones. */
const WATCHED_ROWS = 500;
/** Far more drafts than anybody has; rows in Recently Deleted are here only until they were reported to the server. */
const WAITING_ROWS = 10_000;
/** Rows that are no messages yet, but become one under the same ROWID: when they are sent, recovered, or no longer junk. */
const WAITING: readonly SkipReason[] = ["scheduled", "recently_deleted", "junk"];
/**
 * Rows that are no messages and may still change: a tapback goes when it is taken back, an empty row gets its text, and
 * what repeats another row becomes a message when that row goes.
 */
const UNSTEADY: readonly SkipReason[] = ["tapback", "empty", "self_chat_twin", "link_preview"];
const TAPBACK_STATE = "tapback:";
/** How an incomplete row is stored. */
const INCOMPLETE_STATE = "unfinished";

function watchedRowOf(fields: Record<string, unknown> | null): WatchedRow {
  if (fields === null) throw new TypeError("A watched row must be an object");
  const untilMs = fields.untilMs === null ? null : numberField(fields, "untilMs");
  return { state: textField(fields, "state"), untilMs };
}

function isRowIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((rowId) => Number.isSafeInteger(rowId));
}

/** Checks a tracker that was stored. */
export function trackerFieldsOf(fields: Record<string, unknown> | null): TrackerFields {
  const watched = objectField(fields ?? {}, "watched");
  const recentlyDeleted: unknown = fields?.[STORED.recentlyDeleted];
  if (fields === null || watched === null || !isRowIds(recentlyDeleted)) {
    throw new TypeError("A change tracker must list its rows");
  }
  return {
    [STORED.recentlyDeleted]: recentlyDeleted,
    deletedId: countField(fields, "deletedId"),
    [STORED.timestamps]: timestampIndexFieldsOf(objectField(fields, STORED.timestamps)),
    watched: Object.fromEntries(
      Object.keys(watched).map((rowId) => [rowId, watchedRowOf(objectField(watched, rowId))]),
    ),
  };
}

/**
 * The tracker that was stored, or an empty one.
 *
 * @param deletedId the last deletion that an empty one leaves out
 */
export function openTracker(stored: TrackerFields | null, deletedId: number): ChangeTracker {
  return {
    timestamps: openTimestampIndex(stored?.[STORED.timestamps] ?? null),
    watched: byRowId(stored?.watched ?? {}),
    recentlyDeleted: new Set(stored?.[STORED.recentlyDeleted]),
    deletedId: stored?.deletedId ?? deletedId,
  };
}

/** The tracker as it is stored. */
export function trackerFields(
  { timestamps, watched, recentlyDeleted, deletedId }: ChangeTracker,
): TrackerFields {
  return {
    [STORED.timestamps]: timestampIndexFields(timestamps),
    watched: Object.fromEntries(watched),
    [STORED.recentlyDeleted]: [...recentlyDeleted],
    deletedId,
  };
}

/** The digest of everything that the server is sent of a message. */
function stateOfMessage(message: ChatMessage): string {
  const conversation = JSON.stringify(message.conversation?.id ?? null);
  return digestOf(`[${conversation},${outgoingMessageOf(message).json}]`);
}

/** A row that Messages has finished writing, as far as one can tell. */
export type FinishedRow =
  | Pick<Extract<RowOutcome, { kind: "message" }>, "kind" | "message">
  | Extract<RowOutcome, { kind: "skipped" }>;

/** How a row is now. */
export function stateOf(outcome: FinishedRow): string {
  if (outcome.kind === "message") return stateOfMessage(outcome.message);
  return outcome.targetGuid === null ? outcome.reason : TAPBACK_STATE + outcome.targetGuid;
}

/** The message that a row was a tapback on; null for other rows. */
export function tapbackTargetIn(state: string): string | null {
  return state.startsWith(TAPBACK_STATE) ? state.slice(TAPBACK_STATE.length) : null;
}

/** Notes how a row is, and until when it is to be compared again. */
export function watchRow(
  tracker: ChangeTracker,
  rowId: number,
  { outcome, nowMs }: { outcome: FinishedRow; nowMs: number },
): void {
  const state = stateOf(outcome);
  if (tracker.watched.get(rowId)?.state === state) return;
  const reason = outcome.kind === "message" ? null : outcome.reason;
  if (reason !== null && WAITING.includes(reason)) tracker.watched.set(rowId, { state, untilMs: null });
  else if (reason === null || UNSTEADY.includes(reason)) {
    tracker.watched.set(rowId, { state, untilMs: nowMs + WATCH_MS });
  } else tracker.watched.delete(rowId);
}

/**
 * Notes how a row was found when it was read again; null when it is gone. A row that is no message for the moment is
 * watched from then on, however old it is: whatever changed on it is sent when it is one again.
 *
 * @param options.timestamps checksums of the rows' timestamps, for those that are no messages
 */
export function noteOutcome(
  tracker: ChangeTracker,
  rowId: number,
  options: { outcome: RowOutcome | null; timestamps: ReadonlyMap<number, number>; nowMs: number },
): void {
  const { outcome, timestamps, nowMs } = options;
  if (outcome === null) {
    noteTimestamps(tracker.timestamps, { rowId, checksum: 0 });
    tracker.watched.delete(rowId);
  } else if (outcome.kind === "incomplete") {
    if (!tracker.watched.has(rowId)) {
      tracker.watched.set(rowId, { state: INCOMPLETE_STATE, untilMs: nowMs + WATCH_MS });
    }
  } else {
    const checksum = outcome.kind === "message" ? timestampChecksum(outcome.message) : timestamps.get(rowId);
    if (checksum !== undefined) noteTimestamps(tracker.timestamps, { rowId, checksum });
    const isWaiting = outcome.kind === "skipped" && WAITING.includes(outcome.reason);
    if (isWaiting || tracker.watched.has(rowId)) watchRow(tracker, rowId, { outcome, nowMs });
  }
}

/** Notes which rows were reported to be in Recently Deleted; they are no longer compared one by one. */
export function noteRecentlyDeleted(tracker: ChangeTracker, rowIds: Iterable<number>): void {
  tracker.recentlyDeleted = new Set(rowIds);
  for (const rowId of tracker.recentlyDeleted) tracker.watched.delete(rowId);
}

/**
 * Stops watching rows that are old enough, and the oldest when there are too many. Rows up to `uncomparedRowId` stay:
 * they are still to be compared, however many came after them.
 */
export function pruneTracker(
  { watched }: ChangeTracker,
  { nowMs, uncomparedRowId }: { nowMs: number; uncomparedRowId: number },
): void {
  const left = { timed: WATCHED_ROWS, waiting: WAITING_ROWS };
  for (const [rowId, { untilMs }] of [...watched].sort(([a], [b]) => b - a)) {
    if (rowId <= uncomparedRowId) return;
    const isOver = left[untilMs === null ? "waiting" : "timed"]-- <= 0;
    if (isOver || (untilMs ?? Infinity) <= nowMs) watched.delete(rowId);
  }
}

/** The rows at the end of a batch that are worth watching: more would only be pruned again. */
export function newestRows<Row>(rows: readonly Row[]): readonly Row[] {
  return rows.slice(-WATCHED_ROWS);
}
