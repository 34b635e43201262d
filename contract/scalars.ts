/** Scalar schemas that several endpoints share: ids, times and text. */
import { z } from "zod";

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

/** A text that is no time at all has no year and is left to the check of its form. */
function isStorableTime(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return !(year < 1 || year > 9_999);
}

/**
 * A point in time on the wire: ISO 8601 with a zone; services answer in UTC with milliseconds.
 *
 * The year, in UTC, is 1 to 9999: what PostgreSQL stores and JavaScript writes with four digits.
 */
export const timeSchema = z.iso.datetime({ offset: true, error: "must be an ISO 8601 time with a zone" })
  .refine(isStorableTime, "must lie in the years 0001 to 9999");

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
