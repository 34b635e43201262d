/** Decodes single SQLite values, whatever type a column of an upgraded database holds, and Apple's times among them. */

export type SqlValue = null | number | bigint | string | Uint8Array;
/** A row in column order. Every integer is a BigInt, because Apple's times exceed 2^53. */
export type SqlRow = readonly SqlValue[];
/** A prepared SELECT: parameters in, all rows out. */
export type Query = (...parameters: SqlValue[]) => SqlRow[];

/** Unix time of 2001-01-01T00:00:00Z, where Apple's clocks begin. */
export const APPLE_EPOCH_MS = 978_307_200_000;
/** Seconds up to macOS 10.12, nanoseconds since, both in one upgraded database (imessage-exporter dates.rs). */
const FIRST_NANOSECONDS = 1_000_000_000_000n;
const NANOSECONDS_PER_MS = 1_000_000n;
/** Stands for "never" in some columns (beeper/platform-imessage db-api.ts). */
const INT64_MAX = 9_223_372_036_854_775_807n;
/** Bounds of a four-digit year, the range that ISO 8601 times on the wire can carry. */
const MIN_UNIX_MS = Date.parse("0001-01-01T00:00:00.000Z");
const MAX_UNIX_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** An integer within ±2^53: ROWIDs, flags, counts. NULL and other types are 0, the default of Messages' flags. */
export function integerOf(value: SqlValue | undefined): number {
  return typeof value === "bigint" ? Number(value) : typeof value === "number" ? Math.trunc(value) : 0;
}

/** An identifier with at least one character; NULL, '' and other types are null. */
export function textOf(value: SqlValue | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** The guid of a row; '' when Messages has not written it. */
export function guidOf(value: SqlValue | undefined): string {
  return textOf(value) ?? "";
}

/** The value as SQLite gives it; null when the query did not select it. */
export function rawValue(value: SqlValue | undefined): SqlValue {
  return value ?? null;
}

/** Bytes; NULL and other types are null. */
export function bytesOf(value: SqlValue | undefined): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}

/** An address. A column that came by an upgrade may hold a phone number as an integer, its plus sign lost. */
export function addressOf(value: SqlValue | undefined): string | null {
  return typeof value === "bigint" && value > 0n ? `+${value}` : textOf(value);
}

/** Words that a person wrote, fit for the server's storage, which holds neither NUL nor lone surrogates. */
export function wordsOf(value: SqlValue | undefined): string | null {
  return typeof value === "string" ? cleanText(value) || null : null;
}

/** `text` without NUL characters and lone surrogates. */
export function cleanText(text: string): string {
  return (text.includes("\0") ? text.replaceAll("\0", "") : text).toWellFormed();
}

/** True when a time counts nanoseconds rather than seconds. */
export function isNanoseconds(time: bigint): boolean {
  return time >= FIRST_NANOSECONDS || time <= -FIRST_NANOSECONDS;
}

/** Unix time in whole milliseconds; null for never (NULL, 0, INT64_MAX) and for times outside four-digit years. */
export function unixMsOf(time: SqlValue | undefined): number | null {
  if (typeof time === "number") return unixMsOf(BigInt(Math.trunc(time)));
  if (typeof time !== "bigint" || time === 0n || time === INT64_MAX) return null;
  const sinceEpochMs = isNanoseconds(time) ? Number(time / NANOSECONDS_PER_MS) : Number(time) * 1000;
  const unixMs = APPLE_EPOCH_MS + sinceEpochMs;
  return unixMs >= MIN_UNIX_MS && unixMs <= MAX_UNIX_MS ? unixMs : null;
}
