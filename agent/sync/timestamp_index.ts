/**
 * Remembers the timestamps of the rows that were read, to find those that change. Timestamps reach a Mac in any order,
 * since it learns late what was edited or read on another device, so no single time could stand for all that were seen:
 * the newest rows are remembered one by one, the older ones by a digest of each block.
 */
import { countField, numberField, objectField, textField } from "../platform/state_file.ts";
import { digestOf } from "./message_mapping.ts";

/** A row and the checksum of its timestamps (`timestampChecksum`); 0 when it has none. */
export interface TimestampedRow {
  readonly rowId: number;
  readonly checksum: number;
}

/** Consecutive rows that are remembered together. */
export interface TimestampBlock {
  readonly firstRowId: number;
  /** Null when none of them has a timestamp. */
  readonly digest: string | null;
}

/** The index as it is stored. */
export interface TimestampIndexFields {
  readonly recent: Readonly<Record<string, number>>;
  readonly older: Readonly<Record<string, string>>;
  readonly lastOlderRowId: number;
}

export interface TimestampIndex {
  /** The checksum of each row with timestamps, by its ROWID. */
  readonly recent: Map<number, number>;
  /** The digest of each block with timestamps, by its first ROWID. */
  readonly older: Map<number, string>;
  /** Rows up to this one, the last of its block, are remembered by block. */
  lastOlderRowId: number;
}

/** Timestamps mostly change on recent messages. Each row costs 22 bytes of state, which is written with every new message. */
const RECENT_ROWS = 5_000;
/** A change in a block sends its messages again: few enough for that, and for a short state. */
export const BLOCK_ROWS = 250;
/** 60 bits: no change is missed by chance. */
const DIGEST_CHARACTERS = 15;

/** Checks an index that was stored. */
export function timestampIndexFieldsOf(fields: Record<string, unknown> | null): TimestampIndexFields {
  const [recent, older] = [objectField(fields ?? {}, "recent"), objectField(fields ?? {}, "older")];
  if (fields === null || recent === null || older === null) {
    throw new TypeError("A timestamp index must list its rows");
  }
  return {
    recent: Object.fromEntries(Object.keys(recent).map((rowId) => [rowId, numberField(recent, rowId)])),
    older: Object.fromEntries(Object.keys(older).map((rowId) => [rowId, textField(older, rowId)])),
    lastOlderRowId: countField(fields, "lastOlderRowId"),
  };
}

/** What was stored by ROWID: JSON has text for keys. */
export function byRowId<Value>(fields: Readonly<Record<string, Value>>): Map<number, Value> {
  return new Map(Object.entries(fields).map(([rowId, value]) => [Number(rowId), value]));
}

/** The index that was stored, or an empty one. */
export function openTimestampIndex(stored: TimestampIndexFields | null): TimestampIndex {
  return {
    recent: byRowId(stored?.recent ?? {}),
    older: byRowId(stored?.older ?? {}),
    lastOlderRowId: stored?.lastOlderRowId ?? 0,
  };
}

/** The index as it is stored. */
export function timestampIndexFields(
  { recent, older, lastOlderRowId }: TimestampIndex,
): TimestampIndexFields {
  return { recent: Object.fromEntries(recent), older: Object.fromEntries(older), lastOlderRowId };
}

/** The digest of a block from its rows' checksums; null when there are none. */
export function blockDigestOf(checksums: ReadonlyMap<number, number>): string | null {
  if (checksums.size === 0) return null;
  const inOrder = [...checksums].sort(([a], [b]) => a - b);
  return digestOf(JSON.stringify(inOrder)).slice(0, DIGEST_CHARACTERS);
}

/**
 * Notes a row's timestamps. A single row of a block cannot be noted: its block then shows a change that the server
 * knows already.
 */
export function noteTimestamps(
  { recent, lastOlderRowId }: TimestampIndex,
  { rowId, checksum }: TimestampedRow,
): void {
  if (rowId <= lastOlderRowId) return;
  if (checksum === 0) recent.delete(rowId);
  else recent.set(rowId, checksum);
}

/** Notes the timestamps of a block of older rows. */
export function noteBlock({ older }: TimestampIndex, { firstRowId, digest }: TimestampBlock): void {
  if (digest === null) older.delete(firstRowId);
  else older.set(firstRowId, digest);
}

/** Moves the rows that are no longer among the newest into blocks. */
export function foldIntoBlocks(index: TimestampIndex, lastRowId: number): void {
  const blocks = Math.floor(Math.max(0, lastRowId - RECENT_ROWS) / BLOCK_ROWS);
  const lastOlderRowId = blocks * BLOCK_ROWS;
  if (lastOlderRowId <= index.lastOlderRowId) return;
  const leaving = [...index.recent].filter(([rowId]) => rowId <= lastOlderRowId);
  for (const [firstRowId, rows] of Map.groupBy(leaving, ([rowId]) => firstOfBlock(rowId))) {
    noteBlock(index, { firstRowId, digest: blockDigestOf(new Map(rows)) });
  }
  for (const [rowId] of leaving) index.recent.delete(rowId);
  index.lastOlderRowId = lastOlderRowId;
}

function firstOfBlock(rowId: number): number {
  return rowId - (rowId - 1) % BLOCK_ROWS;
}
