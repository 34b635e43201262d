/** Reads the address book: every source, merged into one contact per handle. */
import { MAX_DISPLAY_NAME_LENGTH } from "../../contract/sync.ts";
import { type AddressBookProblem, asAddressBookProblem } from "./address_book_problem.ts";
import { readSource } from "./address_book_source.ts";
import { findSources } from "./address_book_sources.ts";
import { type CardHandle, cardTitle, type ContactCard, nameRank, systemRegion } from "./contact_card.ts";

/**
 * A contact as the wire has it, one for each handle: either `phoneNumber` (E.164, or the digits of a short code) or
 * `email` (lower case) is set, spelled as chat.db spells the handle. `appleId` is null: no source says which of a
 * person's addresses is one.
 */
export interface Contact {
  appleId: null;
  phoneNumber: string | null;
  email: string | null;
  /** First and last name, else nickname, else organisation, else the handle. */
  displayName: string;
  /** SHA-256 of the picture, in hex. */
  avatarHash: string | null;
  /** On the owner's own card; not part of the wire. */
  isMe: boolean;
  /** `Mobile`, `Home`, ...; not part of the wire. */
  label: string | null;
}

export interface AddressBook {
  /** In the order of their handles. */
  contacts: Contact[];
  /** Sources that were read to their end. */
  readSources: number;
  /** What was left out. An address book without sources and one that may not be read differ in their `code`. */
  problems: AddressBookProblem[];
}

export interface AddressBookOptions {
  /** ISO 3166 country of numbers without a country code; the default is that of the system's language. */
  region?: string;
}

/**
 * Reads every source in the address book's `folder`. A source that is missing, damaged, locked or forbidden becomes
 * a problem and the others are read; nothing is thrown for it.
 */
export function readAddressBook(folder: string, options: AddressBookOptions = {}): AddressBook {
  const region = options.region ?? systemRegion();
  const { paths, problems } = findSources(folder);
  const cards: ContactCard[] = [];
  let readSources = 0;
  for (const path of paths) {
    try {
      cards.push(...readSource(path, { region }));
      readSources++;
    } catch (error) {
      problems.push(asAddressBookProblem(error, path));
    }
  }
  return { contacts: mergeCards(cards), readSources, problems };
}

interface Claim {
  handle: CardHandle;
  card: ContactCard;
}

/** One contact for each handle, named by the most complete card; of equals, the first in the order of `cards`. */
function mergeCards(cards: readonly ContactCard[]): Contact[] {
  const claims = cards.flatMap((card) => card.handles.map((handle) => ({ handle, card })));
  const byHandle = Map.groupBy(claims, ({ handle }) => handle.value);
  return [...byHandle.keys()].sort().map((value) => contactOf(byHandle.get(value) ?? []));
}

function contactOf(claims: readonly Claim[]): Contact {
  const [best, ...others] = claims.toSorted((a, b) => nameRank(b.card.name) - nameRank(a.card.name));
  if (!best) throw new RangeError("A contact needs at least one card");
  const title = cardTitle(best.card.name);
  const sameName = others.filter(({ card }) => cardTitle(card.name) === title);
  const { kind, value, label } = best.handle;
  return {
    appleId: null,
    phoneNumber: kind === "phone" ? value : null,
    email: kind === "email" ? value : null,
    displayName: (title ?? value).slice(0, MAX_DISPLAY_NAME_LENGTH).toWellFormed(),
    avatarHash: [best, ...sameName].find(({ card }) => card.avatarHash !== null)?.card.avatarHash ?? null,
    isMe: claims.some(({ card }) => card.isMe),
    label,
  };
}

/** Each address that has a name. A contact without one is left out: it would show its address. */
export function peopleNames({ contacts }: AddressBook): Map<string, string> {
  const names = new Map<string, string>();
  for (const { phoneNumber, email, displayName } of contacts) {
    const address = phoneNumber ?? email;
    if (address !== null && address !== displayName) names.set(address, displayName);
  }
  return names;
}
