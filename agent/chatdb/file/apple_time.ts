/** Converts Apple's times: integers of seconds or nanoseconds since 2001, some of which mean never. */
import type { SqlValue } from "./sql_value.ts";

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
