/** Writes times to PostgreSQL and reads them back: the one way in and out for every column of a time. */
import { customType } from "drizzle-orm/pg-core";
// @ts-types="@types/pg"
import pg from "pg";
import { MAX_TIME_MS, MIN_TIME_MS } from "../../contract/scalars.ts";

const parseTimestamp: (text: string) => Date | number | null = pg.types.getTypeParser(
  pg.types.builtins.TIMESTAMPTZ,
);

/**
 * Reads a time as PostgreSQL writes it with DateStyle ISO, such as `0013-01-01 00:00:00+00`. JavaScript's own parser
 * would guess at that form: it takes the year 13 for 2013. What lies outside the wire's range, also `infinity`, becomes
 * the end of the range, so that no row is unreadable.
 *
 * @throws Error for a text that PostgreSQL does not write
 */
export function readTime(text: string): Date {
  const time = parseTimestamp(text);
  if (time === null) throw new Error("The database wrote a time in another form than ISO");
  return new Date(Math.min(Math.max(Number(time), MIN_TIME_MS), MAX_TIME_MS));
}

const timestamptz = customType<{ data: Date; driverData: string; config: { precision: number } }>({
  dataType: (config) => `timestamp (${config?.precision}) with time zone`,
  toDriver: (time) => time.toISOString(),
  fromDriver: readTime,
});

/** A column of a point in time; `precision` is in digits of a second. */
export function time(name: string, { precision = 3 }: { precision?: number } = {}) {
  return timestamptz(name, { precision });
}
