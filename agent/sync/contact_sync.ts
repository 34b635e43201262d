/** Syncs contacts: those that are new or changed since they were last sent, known by their hashes. */
import {
  MAX_ADDRESS_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PHONE_NUMBER_LENGTH,
  MAX_SYNC_CONTACTS,
  type SyncContact,
} from "../../contract/sync.ts";
import { z } from "zod";
import type { ServerClient } from "../clients/server_client.ts";
import type { Contact } from "../contacts/address_book.ts";
import { type AgentDatabase, Values } from "../state/agent_database.ts";
import { digestOf, fitLabel, fitText } from "./message_mapping.ts";
import { Refusals, sendWithBisection } from "./message_upload.ts";
import { addRefused } from "./sync_record.ts";

export interface ContactSyncOptions {
  server: ServerClient;
  /** The account behind the pairing; see `ActivePairing`. */
  syncTarget: string;
  /** What the server has of the address book, among the rest of the state. */
  database: AgentDatabase;
  /** True when the contacts are all that there are. */
  isComplete?: boolean;
}

export interface ContactSyncReport {
  /** Contacts in the address book, one for each address. */
  readonly total: number;
  /** Those that were new or changed and were sent. */
  readonly sent: number;
  readonly refused: number;
}

/** Names the account that has the contacts. */
const TARGET = "contacts_target";

/** From the digest of a contact's identifiers to the digest of the complete contact. */
function hashes(database: AgentDatabase): Values<string> {
  return new Values(database, { table: "contact_hashes", schema: z.string() });
}

function targets(database: AgentDatabase): Values<string> {
  return new Values(database, { table: "documents", schema: z.string() });
}

/** The contacts of an address book that the server does not have as they are, as the server takes them. */
export function changedContacts(
  contacts: readonly Contact[],
  { database, syncTarget }: Pick<ContactSyncOptions, "database" | "syncTarget">,
): SyncContact[] {
  const sent = targets(database).get(TARGET) === syncTarget ? hashes(database).all() : new Map();
  return contacts.map(wireContactOf)
    .filter((contact) => sent.get(contactKey(contact)) !== contactDigest(contact));
}

/**
 * Sends the contacts that the server does not have as they are. Those that were sent and are no longer given are deleted
 * there, but only when the address book was read completely: a source that cannot be read at the moment is no deletion.
 *
 * @throws what `ServerClient` throws; a part that was acknowledged is not sent again
 */
export async function syncContacts(
  contacts: readonly Contact[],
  options: ContactSyncOptions,
): Promise<ContactSyncReport> {
  const { database, server } = options;
  const refusals = new Refusals();
  const changed = changedContacts(contacts, options);
  for (let first = 0; first < changed.length; first += MAX_SYNC_CONTACTS) {
    const part = changed.slice(first, first + MAX_SYNC_CONTACTS);
    await sendWithBisection(part, {
      field: "contacts",
      send: async (items) => {
        await server.syncContacts(items);
        refusals.noteAccepted();
      },
      refuse: (items, why) =>
        refusals.add(items.map((item) => ({ kind: "contact", rowId: 0, digest: contactKey(item), ...why }))),
    });
    database.transaction(() => {
      addRefused(database, refusals.take());
      noteSent(part, options);
    });
  }
  if (options.isComplete) await deleteGone(contacts, options);
  return { total: contacts.length, sent: changed.length - refusals.total, refused: refusals.total };
}

async function deleteGone(
  contacts: readonly Contact[],
  { database, server, syncTarget }: ContactSyncOptions,
): Promise<void> {
  if (targets(database).get(TARGET) !== syncTarget) return;
  const present = new Set(contacts.map(wireContactOf).map(contactKey));
  const gone = [...hashes(database).all().keys()].filter((key) => !present.has(key));
  for (let first = 0; first < gone.length; first += MAX_SYNC_CONTACTS) {
    const part = gone.slice(first, first + MAX_SYNC_CONTACTS);
    await server.syncContacts([], part);
    database.transaction(() => part.forEach((key) => hashes(database).delete(key)));
  }
}

function noteSent(part: readonly SyncContact[], { database, syncTarget }: ContactSyncOptions): void {
  const sent = hashes(database);
  if (targets(database).get(TARGET) !== syncTarget) sent.keepNewest(0);
  targets(database).put(TARGET, syncTarget);
  for (const contact of part) sent.put(contactKey(contact), contactDigest(contact));
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
