/** Syncs contacts: those that are new or changed since they were last sent, known by their hashes. */
import {
  MAX_ADDRESS_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PHONE_NUMBER_LENGTH,
  MAX_SYNC_CONTACTS,
  type SyncContact,
} from "../../contract/sync.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AddressBook, Contact } from "../contacts/address_book.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import type { AgentDatabase } from "../state/agent_database.ts";
import { digestOf, fitLabel, fitText } from "./message_mapping.ts";
import { noteRefused, partsOf, Refusals } from "./message_upload.ts";

/** What the server has of the address book. */
export interface SentContactsOptions {
  /** It lies in there, among the rest of the state. */
  database: AgentDatabase;
  /** The account behind the pairing; see `ActivePairing`. */
  syncTarget: string;
}

export interface ContactsReport {
  /** Contacts in the address book, one for each address. */
  readonly total: number;
  /** Those that were new or changed and were sent. */
  readonly sent: number;
  readonly refused: number;
  /** Parts of the address book that could not be read; what was sent of them earlier stays. */
  readonly problems: readonly AddressBookProblem[];
}

/** The digest of each contact that the account has, by the digest of its identifiers. */
function sentContacts({ database, syncTarget }: SentContactsOptions): ReadonlyMap<string, string> {
  const isSame = database.document("contacts_target").get() === syncTarget;
  return isSame ? database.values("contact_hashes").all() : new Map();
}

/** The contacts of an address book that the server does not have as they are, as the server takes them. */
export function changedContacts(contacts: readonly Contact[], options: SentContactsOptions): SyncContact[] {
  const sent = sentContacts(options);
  return contacts.map(wireContactOf)
    .filter((contact) => sent.get(contactKey(contact)) !== contactDigest(contact));
}

/**
 * Sends the contacts that the server does not have as they are. Those that were sent and are no longer there are deleted
 * on the server, but only when the address book was read completely: a source that cannot be read at the moment is no
 * deletion, and one without a source is more likely one that cannot be seen than one that was emptied.
 *
 * @throws what `ServerClient` throws; a part that was acknowledged is not sent again
 */
export async function syncContacts(
  { contacts, problems }: AddressBook,
  { server, ...options }: SentContactsOptions & { server: ServerClient },
): Promise<ContactsReport> {
  const { database } = options;
  const refusals = new Refusals();
  const changed = changedContacts(contacts, options);
  for (const part of partsOf(changed, MAX_SYNC_CONTACTS)) {
    await refusals.sendPast(part, {
      field: "contacts",
      send: async (items) => void await server.syncContacts(items),
      describe: (contact) => ({ kind: "contact", rowId: 0, digest: contactKey(contact) }),
    });
    database.transaction(() => {
      noteRefused(database, refusals.take());
      noteSent(part, options);
    });
  }
  const present = new Set(contacts.map(wireContactOf).map(contactKey));
  const gone = problems.length > 0
    ? []
    : [...sentContacts(options).keys()].filter((key) => !present.has(key));
  for (const part of partsOf(gone, MAX_SYNC_CONTACTS)) {
    await server.syncContacts([], part);
    database.transaction(() => part.forEach((key) => database.values("contact_hashes").delete(key)));
  }
  const refused = refusals.total;
  return { total: contacts.length, sent: changed.length - refused, refused, problems };
}

function noteSent(part: readonly SyncContact[], { database, syncTarget }: SentContactsOptions): void {
  const target = database.document("contacts_target");
  const hashes = database.values("contact_hashes");
  if (target.get() !== syncTarget) hashes.keepNewest(0);
  target.put(syncTarget);
  for (const contact of part) hashes.put(contactKey(contact), contactDigest(contact));
}

function wireContactOf({ phoneNumber, email, displayName, avatarHash, person }: Contact): SyncContact {
  return {
    appleId: null,
    phoneNumber: fitLabel(phoneNumber, MAX_PHONE_NUMBER_LENGTH),
    email: fitLabel(email, MAX_ADDRESS_LENGTH),
    displayName: fitText(displayName, MAX_DISPLAY_NAME_LENGTH),
    avatarHash,
    ...(person === null ? {} : { personId: digestOf(person) }),
  };
}

/** The digest of what identifies a contact, whatever else changes. */
function contactKey({ appleId, phoneNumber, email }: SyncContact): string {
  return digestOf(JSON.stringify([appleId ?? null, phoneNumber ?? null, email ?? null]));
}

function contactDigest({ displayName, avatarHash, personId, ...identifiers }: SyncContact): string {
  const described = [contactKey(identifiers), displayName ?? null, avatarHash ?? null];
  return digestOf(JSON.stringify(personId ? [...described, personId] : described));
}
