/** Scalar schemas that several endpoints share: ids, times and text. */
import * as z from "zod";

/** Longest text of one message, in UTF-16 units. Far above what Messages sends; the agent cuts there. */
export const MAX_TEXT_LENGTH = 262_144;
/** Longest name or identifier that has no limit of its own. */
export const MAX_LABEL_LENGTH = 256;
/** Largest seed of a random generator: 32 bits. */
export const MAX_SEED = 0xffff_ffff;

/** A UUID. It is read in lower case, as PostgreSQL writes it, so that ids that are equal are equal as text. */
export const idSchema = z.uuid({ error: "must be a UUID" }).toLowerCase();

/** `:id` in a path. */
export const idParams = z.object({ id: idSchema });

/** The first and the last instant on the wire, in milliseconds since 1970: the years 0001 to 9999 in UTC. */
export const MIN_TIME_MS = Date.parse("0001-01-01T00:00:00.000Z");
export const MAX_TIME_MS = Date.parse("9999-12-31T23:59:59.999Z");

/**
 * The instant of a text that {@linkcode timeSchema} accepts, in milliseconds since 1970; digits behind them are cut off.
 *
 * Only for such texts: what is written otherwise, `Date.parse` would guess at.
 */
export function parseTime(text: string): number {
  return Date.parse(text);
}

/** A text that is no time at all is left to the check of its form. */
function isInRange(text: string): boolean {
  const time = parseTime(text);
  return !(time < MIN_TIME_MS || time > MAX_TIME_MS);
}

const TIME_FORM =
  "ISO 8601 with a zone, from 0001-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z; stored to the millisecond, answered in UTC";

/**
 * A point in time on the wire. The range is that of four digits for the year: ISO 8601 and JavaScript write no other
 * one so, and PostgreSQL stores it whole.
 */
export const timeSchema = z.iso.datetime({ offset: true, error: "must be an ISO 8601 time with a zone" })
  .refine(isInRange, "must lie in the years 0001 to 9999")
  .describe(TIME_FORM);

/** A time with a description of its own, which the form and the range of all times follow. */
export function describedTime(what: string): typeof timeSchema {
  return timeSchema.describe(`${what}. ${TIME_FORM}`);
}

/**
 * Text that PostgreSQL and every JSON reader can hold: no NUL, no lone surrogates.
 *
 * @param maxLength longest value in UTF-16 units
 */
export function textSchema(maxLength: number, options: { minLength?: number } = {}): z.ZodString {
  return z.string()
    .min(options.minLength ?? 0)
    .max(maxLength)
    .refine((text) => !text.includes("\0"), "must not contain the NUL character")
    .refine((text) => text.isWellFormed(), "must not contain a lone surrogate");
}

/** A short label such as a name or an identifier: 1 to `maxLength` characters. */
export function labelSchema(maxLength = MAX_LABEL_LENGTH): z.ZodString {
  return textSchema(maxLength, { minLength: 1 });
}
