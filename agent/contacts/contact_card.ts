/** Describes one card of one source: its names and labels, its addresses as chat.db spells them, and its picture. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { type KnownAddresses, phoneDigits, plainAddress } from "./same_address.ts";

/** A phone number or an e-mail address in the one spelling of `KnownAddresses`. */
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
  /** `ZDISPLAYFLAGS`: which name comes first, and whether the card is a company's. */
  displayFlags?: number;
}

/** Bits of the display flags (AddressBook's ABPerson flags). */
const FLAG = { company: 0x01, lastNameFirst: 0x10, firstNameFirst: 0x20 } as const;
/** Names in these scripts begin with the family name where the card does not say otherwise. */
const FAMILY_NAME_FIRST = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー々\s]+$/u;

/** A person's names in the card's own order. */
function orderedNames({ first, last, displayFlags = 0 }: CardName): string[] {
  const names = [first, last].filter((part) => part !== null);
  const isReversed = (displayFlags & FLAG.firstNameFirst) === 0 &&
    ((displayFlags & FLAG.lastNameFirst) !== 0 || names.every((name) => FAMILY_NAME_FIRST.test(name)));
  return isReversed ? names.reverse() : names;
}

export interface ContactCard {
  name: CardName;
  handles: CardHandle[];
  /** The owner's own card. */
  isMe: boolean;
  /** SHA-256 of the picture, in hex; null without one. */
  avatarHash: string | null;
}

/**
 * The name of a card: the person's names in the card's own order, else the nickname, else the organisation; of a company
 * the organisation. Null for a card without any.
 */
export function cardTitle(name: CardName): string | null {
  const { nickname, organization } = name;
  if (isCompany(name) && organization !== null) return organization;
  return orderedNames(name).join(" ") || nickname || organization;
}

/** True for the card of a company: several people may read what is written to its addresses. */
export function isCompany({ displayFlags = 0 }: CardName): boolean {
  return (displayFlags & FLAG.company) !== 0;
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

const EMAIL = /^[^@\s]+@[^@\s]+$/;
/** Longest e-mail address that RFC 5321 §4.5.3.1 allows: 64 characters, an at sign, 255 characters. */
const MAX_EMAIL_LENGTH = 320;

/** The shortest code of a service, and more digits than E.164 and any prefix allow. */
const NUMBER_DIGITS = { min: 3, max: 20 };

/** The phone number in its one spelling, without an extension; null when it is none. */
export function phoneHandle(typed: string, addresses: KnownAddresses): string | null {
  const digits = phoneDigits(typed)?.replace("+", "").length ?? 0;
  if (digits < NUMBER_DIGITS.min || digits > NUMBER_DIGITS.max) return null;
  return addresses.spelling(typed);
}

/** The e-mail address in lower case; null when it is not one. */
export function emailHandle(typed: string): string | null {
  const address = plainAddress(typed);
  return address.length <= MAX_EMAIL_LENGTH && EMAIL.test(address) ? address : null;
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
