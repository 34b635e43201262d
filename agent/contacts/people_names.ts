/** Owns the names of the address book by address, for showing who wrote. */
import type { AddressBook } from "./address_book.ts";

/** Each address that has a name. A contact without one is left out: its address says as much. */
export function peopleNames({ contacts }: AddressBook): Map<string, string> {
  const names = new Map<string, string>();
  for (const { phoneNumber, email, displayName } of contacts) {
    const address = phoneNumber ?? email;
    if (address !== null && address !== displayName) names.set(address, displayName);
  }
  return names;
}
