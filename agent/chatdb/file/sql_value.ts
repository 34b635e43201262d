/** Decodes single SQLite values, whatever type a column of an upgraded database holds. */

export type SqlValue = null | number | bigint | string | Uint8Array;
/** A row in column order. Every integer is a BigInt, because Apple's times exceed 2^53. */
export type SqlRow = readonly SqlValue[];
/** A prepared SELECT: parameters in, all rows out. */
export type Query = (...parameters: SqlValue[]) => SqlRow[];

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
