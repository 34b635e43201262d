/** Reads the address book: every source, merged into one contact per handle. */
import { MAX_DISPLAY_NAME_LENGTH } from "../../contract/sync.ts";
import { type AddressBookProblem, asAddressBookProblem } from "./address_book_problem.ts";
import { readSource } from "./address_book_source.ts";
import { findSources } from "./address_book_sources.ts";
import { type CardHandle, cardTitle, type ContactCard, isCompany, nameRank } from "./contact_card.ts";
import { KnownAddresses } from "./same_address.ts";

/**
 * A contact as the wire has it, one for each handle: either `phoneNumber` or `email` is set, in its one spelling
 * (`KnownAddresses`): E.164 where the country is certain, else the digits as typed; e-mail addresses in lower case. `appleId` is null: no source says which of a
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
  /** Who has this address, when the person has others as well; see `AddressBook.people`. Null where that is not certain. */
  person: string | null;
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
  /** Gives any address the spelling that the contacts have. */
  addresses: KnownAddresses;
  /** Who has an address: all addresses of one card, and of its copies in other sources, have the same value. */
  people: ReadonlyMap<string, string>;
}

export interface AddressBookOptions {
  /** The addresses of chat.db, in whose spelling those of the cards are given; by default none is known. */
  addresses?: KnownAddresses;
}

/**
 * Reads every source in the address book's `folder`. A source that is missing, damaged, locked or forbidden becomes
 * a problem and the others are read; nothing is thrown for it.
 */
export function readAddressBook(folder: string, options: AddressBookOptions = {}): AddressBook {
  const { addresses = new KnownAddresses() } = options;
  const { paths, problems } = findSources(folder);
  const cards: ContactCard[] = [];
  let readSources = 0;
  for (const path of paths) {
    try {
      cards.push(...readSource(path, { addresses }));
      readSources++;
    } catch (error) {
      problems.push(asAddressBookProblem(error, path));
    }
  }
  const people = peopleOf(cards);
  return { contacts: mergeCards(cards, people), readSources, problems, addresses, people };
}

/** Cards of one name that share an address are copies of one card; a family's shared number joins nobody. */
function peopleOf(cards: readonly ContactCard[]): Map<string, string> {
  const people = new Map<string, string>();
  const personOfCopy = new Map<string, string>();
  for (const { name, handles } of cards) {
    const copies = handles.map(({ value }) => `${cardTitle(name)} ${value}`);
    const person = copies.map((copy) => personOfCopy.get(copy)).find((known) => known !== undefined) ??
      copies[0];
    for (const [index, { value }] of handles.entries()) {
      personOfCopy.set(copies[index] ?? "", person ?? "");
      if (!people.has(value)) people.set(value, person ?? "");
    }
  }
  return people;
}

interface Claim {
  handle: CardHandle;
  card: ContactCard;
}

/** One contact for each handle, named by the most complete card; of equals, the first in the order of `cards`. */
function mergeCards(cards: readonly ContactCard[], people: AddressBook["people"]): Contact[] {
  const claims = cards.flatMap((card) => card.handles.map((handle) => ({ handle, card })));
  const byHandle = Map.groupBy(claims, ({ handle }) => handle.value);
  const personOf = (value: string) =>
    isOfOnePerson(byHandle.get(value) ?? []) ? people.get(value) ?? null : null;
  const addressesOf = Map.groupBy(byHandle.keys(), personOf);
  return [...byHandle.keys()].sort().map((value) => {
    const person = personOf(value);
    const isAlone = (addressesOf.get(person)?.length ?? 0) < 2;
    return { ...contactOf(byHandle.get(value) ?? []), person: isAlone ? null : person };
  });
}

/** True for an address that one person alone has: on no company's card, not the owner's, and not of a family. */
function isOfOnePerson(claims: readonly Claim[]): boolean {
  const titles = new Set(claims.map(({ card }) => cardTitle(card.name)));
  return claims.every(({ card }) => !isCompany(card.name) && !card.isMe) &&
    (claims.length === 1 || titles.size === 1 && !titles.has(null));
}

function contactOf(claims: readonly Claim[]): Omit<Contact, "person"> {
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
