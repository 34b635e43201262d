/** Finds what has changed in rows that were read before; it only reads. */
import { delay } from "../../lib/backoff.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { RowOutcome } from "../chatdb/messages/row_reader.ts";
import { type ChangeTracker, stateOf, tapbackTargetIn } from "./change_tracker.ts";
import { BLOCK_ROWS, blockDigestOf, type TimestampBlock } from "./timestamp_index.ts";

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

/** Rows some of whose timestamps have changed. */
export interface ChangedTimestamps {
  /** The checksum of each row's timestamps; 0 for a row that has lost them, or is gone. */
  readonly checksums: ReadonlyMap<number, number>;
  /** The block that these are all rows of; null for single rows. */
  readonly block: TimestampBlock | null;
}

/** All that are watched for a while, and more drafts than anybody has. */
const RECENT_WATCHED_ROWS = 1_000;
/** So many blocks are compared in one go: a few milliseconds without a pause. */
const BLOCKS_AT_ONCE = 20;

/** Rows whose timestamps have changed: single ones among the newest, and before them, in a full scan, blocks. */
export async function* changedTimestamps(
  reader: Pick<MessageReader, "findTimestamps">,
  { timestamps }: Pick<ChangeTracker, "timestamps">,
  { lastRowId, scan }: { lastRowId: number; scan: ChangeScan },
): AsyncGenerator<ChangedTimestamps> {
  const { lastOlderRowId } = timestamps;
  for (let first = 1, turn = 1; scan === "full" && first <= lastOlderRowId; first += BLOCK_ROWS, turn++) {
    const checksums = reader.findTimestamps(first, first + BLOCK_ROWS - 1);
    const digest = blockDigestOf(checksums);
    if (digest !== (timestamps.older.get(first) ?? null)) {
      yield { checksums, block: { firstRowId: first, digest } };
    }
    if (turn % BLOCKS_AT_ONCE === 0) await delay(0);
  }
  const found = reader.findTimestamps(lastOlderRowId + 1, lastRowId);
  const lost = [...timestamps.recent.keys()].filter((rowId) => !found.has(rowId));
  const changed = [...found].filter(([rowId, checksum]) => timestamps.recent.get(rowId) !== checksum);
  const checksums = new Map([...lost.map((rowId) => [rowId, 0] as const), ...changed]);
  yield { checksums, block: null };
}

/** Reads rows again: the messages among them, whether or not they have changed. */
export function findAgain(
  reader: MessageReader,
  rowIds: Iterable<number>,
  { nowMs }: FindingOptions,
): FoundChanges {
  const wanted = [...rowIds];
  const seen = reader.readRows(wanted, { nowMs });
  const outcomes = new Map(wanted.map((rowId) => [rowId, seen.get(rowId) ?? null]));
  return { messages: messagesIn(seen.values()), outcomes };
}

/** Compares the watched rows: messages that differ from what was sent, and those whose tapbacks came or went. */
export function findWatched(
  reader: MessageReader,
  tracker: ChangeTracker,
  options: FindingOptions & { scan: ChangeScan },
): FoundChanges {
  const watched = [...tracker.watched.keys()].sort((a, b) => b - a)
    .slice(0, options.scan === "full" ? Infinity : RECENT_WATCHED_ROWS);
  const { outcomes } = findAgain(reader, watched, options);
  const targets = new Set<string>();
  const changed: RowOutcome[] = [];
  for (const [rowId, outcome] of outcomes) {
    const before = tracker.watched.get(rowId)?.state ?? "";
    const after = outcome === null || outcome.kind === "incomplete" ? null : stateOf(outcome);
    if (after === before || (outcome !== null && after === null)) continue;
    if (outcome !== null) changed.push(outcome);
    for (const state of [before, after ?? ""]) targets.add(tapbackTargetIn(state) ?? "");
  }
  const reacted = findAgain(reader, knownRows(reader, targets, options), options);
  const unsent = reacted.messages.filter((message) =>
    tracker.watched.get(message.rowId)?.state !== stateOf({ kind: "message", message })
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

function messagesIn(outcomes: Iterable<RowOutcome>): ChatMessage[] {
  return [...outcomes].flatMap((outcome) => outcome.kind === "message" ? [outcome.message] : [])
    .sort((a, b) => a.rowId - b.rowId);
}
