/** Fits a database's strings into the contract's bounds, so that no odd row can block a sync. */
import { createHash } from "node:crypto";

/** 128 bits: far beyond chance collisions. */
const DIGEST_CHARACTERS = 32;

/** A short digest that identifies a value without revealing it. */
export function digestOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, DIGEST_CHARACTERS);
}

/** Text that the contract takes: no NUL, no lone surrogates, at most `maxLength` UTF-16 units. */
export function fitText(text: string, maxLength: number): string {
  const clean = (text.includes("\0") ? text.replaceAll("\0", "") : text).toWellFormed();
  if (clean.length <= maxLength) return clean;
  const lastUnit = clean.charCodeAt(maxLength - 1);
  const splitsPair = lastUnit >= 0xd800 && lastUnit <= 0xdbff;
  return clean.slice(0, splitsPair ? maxLength - 1 : maxLength);
}

/**
 * An identifier that the contract takes, or null for an empty one.
 *
 * One that is too long ends in a digest of all of it, so that different identifiers stay different.
 */
export function fitLabel(label: string | null, maxLength: number): string | null {
  const clean = fitText(label ?? "", Infinity);
  if (clean === "") return null;
  if (clean.length <= maxLength) return clean;
  return `${fitText(clean, maxLength - DIGEST_CHARACTERS - 1)}~${digestOf(clean)}`;
}
