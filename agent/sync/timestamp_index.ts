/**
 * Owns what is known of the stamps on rows that were read. Stamps reach a Mac in any order, since it learns late what
 * was edited or read on another device, so no single time could stand for all that have been seen: the newest rows are
 * known one by one, the older ones by a digest of each block.
 */
import { countField, numberField, objectField, textField } from "../platform/state_file.ts";
import { digestOf } from "./wire_text.ts";

/** A row and what its stamps sum up to (`timestampChecksum`); 0 for none. */
export interface TimestampedRow {
  readonly rowId: number;
  readonly sum: number;
}

/** The rows from one on that are known together. */
export interface TimestampBlock {
  readonly firstRowId: number;
  /** Null when none of them is stamped. */
  readonly digest: string | null;
}

/** The ledger in the agent's state. */
export interface TimestampFields {
  readonly recent: Readonly<Record<string, number>>;
  readonly older: Readonly<Record<string, string>>;
  readonly lastOlderRowId: number;
}

export interface TimestampIndex {
  /** The sum of each stamped row, by its ROWID. */
  readonly recent: Map<number, number>;
  /** The digest of each block with stamped rows, by its first ROWID. */
  readonly older: Map<number, string>;
  /** Rows up to this one, the last of its block, are known by block. */
  lastOlderRowId: number;
}

/** Stamps mostly come to recent messages. Each row costs 22 bytes of state, which is written with every new message. */
const RECENT_ROWS = 5_000;
/** A change in a block sends its messages again: few enough for that, and for a short state. */
export const BLOCK_ROWS = 250;
/** 60 bits: a change that is missed by chance is not to be expected. */
const DIGEST_CHARACTERS = 15;

/** Checks the ledger of a state that was stored. */
export function timestampFieldsOf(fields: Record<string, unknown> | null): TimestampFields {
  const [recent, older] = [objectField(fields ?? {}, "recent"), objectField(fields ?? {}, "older")];
  if (fields === null || recent === null || older === null) {
    throw new TypeError("Stamps must list their rows");
  }
  return {
    recent: Object.fromEntries(Object.keys(recent).map((rowId) => [rowId, numberField(recent, rowId)])),
    older: Object.fromEntries(Object.keys(older).map((rowId) => [rowId, textField(older, rowId)])),
    lastOlderRowId: countField(fields, "lastOlderRowId"),
  };
}

/** What was stored by ROWID, whose names are text there. */
export function byRowId<Value>(fields: Readonly<Record<string, Value>>): Map<number, Value> {
  return new Map(Object.entries(fields).map(([rowId, value]) => [Number(rowId), value]));
}

/** The ledger that was stored, or an empty one. */
export function openTimestamps(stored: TimestampFields | null): TimestampIndex {
  return {
    recent: byRowId(stored?.recent ?? {}),
    older: byRowId(stored?.older ?? {}),
    lastOlderRowId: stored?.lastOlderRowId ?? 0,
  };
}

/** The ledger as it is stored. */
export function timestampFields({ recent, older, lastOlderRowId }: TimestampIndex): TimestampFields {
  return { recent: Object.fromEntries(recent), older: Object.fromEntries(older), lastOlderRowId };
}

/** Stands for the stamps of a block's rows; null when none is stamped. */
export function blockDigestOf(sums: ReadonlyMap<number, number>): string | null {
  if (sums.size === 0) return null;
  const inOrder = [...sums].sort(([a], [b]) => a - b);
  return digestOf(JSON.stringify(inOrder)).slice(0, DIGEST_CHARACTERS);
}

/**
 * Notes a row's stamps. One row of a block cannot be noted: its block then shows a change that the server
 * knows already.
 */
export function noteTimestamps(
  { recent, lastOlderRowId }: TimestampIndex,
  { rowId, sum }: TimestampedRow,
): void {
  if (rowId <= lastOlderRowId) return;
  if (sum === 0) recent.delete(rowId);
  else recent.set(rowId, sum);
}

/** Notes the stamps of a whole block of older rows. */
export function noteBlock({ older }: TimestampIndex, { firstRowId, digest }: TimestampBlock): void {
  if (digest === null) older.delete(firstRowId);
  else older.set(firstRowId, digest);
}

/** Knows the rows by block that are no longer among the newest. */
export function foldTimestamps(stamps: TimestampIndex, lastRowId: number): void {
  const blocks = Math.floor(Math.max(0, lastRowId - RECENT_ROWS) / BLOCK_ROWS);
  const lastOlderRowId = blocks * BLOCK_ROWS;
  if (lastOlderRowId <= stamps.lastOlderRowId) return;
  const leaving = [...stamps.recent].filter(([rowId]) => rowId <= lastOlderRowId);
  for (const [firstRowId, rows] of Map.groupBy(leaving, ([rowId]) => firstOfBlock(rowId))) {
    noteBlock(stamps, { firstRowId, digest: blockDigestOf(new Map(rows)) });
  }
  for (const [rowId] of leaving) stamps.recent.delete(rowId);
  stamps.lastOlderRowId = lastOlderRowId;
}

function firstOfBlock(rowId: number): number {
  return rowId - (rowId - 1) % BLOCK_ROWS;
}
