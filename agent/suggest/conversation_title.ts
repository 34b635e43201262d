/** The titles of conversations and the names of people, as a person reads them. */
import type { Conversation } from "../../contract/conversations.ts";
import { plainAddress } from "../contacts/same_address.ts";

/** Names of people by their address, as the address book has them. */
export type PeopleNames = ReadonlyMap<string, string>;

/** In a group without a name so many people are named; the rest are counted. */
const NAMED_PEOPLE = 3;

/** The name of an address, or the address itself. */
export function personName(address: string, names: PeopleNames): string {
  return names.get(plainAddress(address)) ?? address;
}

/** A group's own name, else the names of those in it. */
export function conversationTitle(
  { displayName, participantIds }: Pick<Conversation, "displayName" | "participantIds">,
  names: PeopleNames,
): string {
  if (displayName !== null) return displayName;
  const people = participantIds.slice(0, NAMED_PEOPLE).map((address) => personName(address, names));
  const others = participantIds.length - people.length;
  if (others > 0) people.push(`${others} more`);
  return people.join(", ");
}
