/** Describes one card of one source: its names and labels, its addresses as chat.db spells them, and its picture. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js";

/** A phone number in E.164 form, or an e-mail address in lower case: a handle of chat.db. */
export interface CardHandle {
  kind: "phone" | "email";
  value: string;
  /** `Mobile`, `Home` or what the person typed; null without a label. */
  label: string | null;
}

export interface CardName {
  first: string | null;
  last: string | null;
  nickname: string | null;
  organization: string | null;
}

export interface ContactCard {
  name: CardName;
  handles: CardHandle[];
  /** The owner's own card. */
  isMe: boolean;
  /** SHA-256 of the picture, in hex; null without one. */
  avatarHash: string | null;
}

/** The name of a card: first and last, else the nickname, else the organisation; null for a card without any. */
export function cardTitle({ first, last, nickname, organization }: CardName): string | null {
  return [first, last].filter((part) => part !== null).join(" ") || nickname || organization;
}

/** How complete a card's name is: of two cards with one handle the more complete one names it. */
export function nameRank({ first, last, nickname, organization }: CardName): number {
  if (first !== null && last !== null) return 4;
  if (first !== null || last !== null) return 3;
  if (nickname !== null) return 2;
  return organization === null ? 0 : 1;
}

/** Contacts frames its built-in labels like this; those a person typed have no frame. */
const BUILT_IN_LABEL = /^_\$!<(.*)>!\$_$/;

/** The words of a label, without the frame of the built-in ones. */
export function labelWords(label: string | null): string | null {
  return label === null ? null : BUILT_IN_LABEL.exec(label)?.[1] ?? label;
}

/** Used where neither the caller nor the system's language names a country. */
const FALLBACK_REGION = "US";

const EMAIL = /^[^@\s]+@[^@\s]+$/;
/** Longest e-mail address that RFC 5321 §4.5.3.1 allows: 64 characters, an at sign, 255 characters. */
const MAX_EMAIL_LENGTH = 320;

/** Short codes of services, such as 262966, have no country and are in chat.db as typed. */
const SHORT_CODE = /^\d{3,8}$/;

/**
 * The phone number in E.164 form, without an extension; a short code as its digits; null when it is neither.
 *
 * @param region ISO 3166 country in which a number without country code is meant
 */
export function phoneHandle(typed: string, region: string): string | null {
  const parsed = parsePhoneNumberFromString(typed, isSupportedCountry(region) ? region : FALLBACK_REGION);
  if (parsed?.isPossible()) return parsed.number;
  const digits = typed.replaceAll(/[\s().-]/g, "");
  return SHORT_CODE.test(digits) ? digits : null;
}

/** The e-mail address in lower case; null when it is not one. */
export function emailHandle(typed: string): string | null {
  const address = typed.trim().toLowerCase();
  return address.length <= MAX_EMAIL_LENGTH && EMAIL.test(address) ? address : null;
}

/** The country of the system's language setting: the most likely country of numbers without a country code. */
export function systemRegion(language: string = navigator.language): string {
  try {
    return new Intl.Locale(language).maximize().region ?? FALLBACK_REGION;
  } catch {
    return FALLBACK_REGION;
  }
}

/** First byte of an image column: the image itself follows, or the name of a file does. */
const INLINE_FRAME = 0x01;
const EXTERNAL_FRAME = 0x02;
/** Folder of those files, beside the source. */
const EXTERNAL_DATA_FOLDER = ".AddressBook-v22_SUPPORT/_EXTERNAL_DATA";
const UUID = /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i;

/**
 * SHA-256 in hex of the image that a column of the source at `sourcePath` holds, whether inline or in a file beside
 * it. Null without an image, and when its file is not on this Mac.
 */
export function pictureHash(column: Uint8Array | null, sourcePath: string): string | null {
  if (column === null || column.length < 2) return null;
  const image = column[0] === EXTERNAL_FRAME ? readExternal(column, sourcePath) : unframed(column);
  return image && createHash("sha256").update(image).digest("hex");
}

function unframed(column: Uint8Array): Uint8Array {
  return column[0] === INLINE_FRAME ? column.subarray(1) : column;
}

function readExternal(column: Uint8Array, sourcePath: string): Uint8Array | null {
  const name = new TextDecoder("latin1").decode(column.subarray(1)).replace(/\0+$/, "");
  if (!UUID.test(name)) return null;
  try {
    return Deno.readFileSync(join(dirname(sourcePath), EXTERNAL_DATA_FOLDER, name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}
