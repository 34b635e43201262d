/** Syncs contacts: those that are new or changed since they were last sent, known by their hashes. */
import { join } from "node:path";
import {
  MAX_ADDRESS_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PHONE_NUMBER_LENGTH,
  MAX_SYNC_CONTACTS,
  type SyncContact,
} from "../../contract/sync.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { Contact } from "../contacts/address_book.ts";
import { objectField, type StateFile, stateFile, textField } from "../platform/state_file.ts";
import { Refusals, sendWithBisection } from "./message_upload.ts";
import { addRefused, type SyncRecord } from "./sync_record.ts";
import { digestOf, fitLabel, fitText } from "./message_mapping.ts";

/** What the server has of the address book. */
export interface ContactHashes {
  readonly syncTarget: string;
  /** From the digest of a contact's identifiers to the digest of the complete contact. */
  readonly sent: Readonly<Record<string, string>>;
}

export interface ContactSyncOptions {
  server: ServerClient;
  /** The account behind the pairing; see `ActivePairing`. */
  syncTarget: string;
  contactHashes: StateFile<ContactHashes>;
  records: StateFile<SyncRecord>;
}

export interface ContactSyncReport {
  /** Contacts in the address book, one for each address. */
  readonly total: number;
  /** Those that were new or changed and were sent. */
  readonly sent: number;
  readonly refused: number;
}

const FILE = "contacts.json";
const VERSION = 1;

function hashesOf(fields: Record<string, unknown>): ContactHashes {
  const sent = objectField(fields, "sent") ?? {};
  const entries = Object.keys(sent).map((key) => [key, textField(sent, key)]);
  return { syncTarget: textField(fields, "syncTarget"), sent: Object.fromEntries(entries) };
}

/** The contact hashes of a data folder. */
export function contactHashStore(dataDir: string): StateFile<ContactHashes> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: hashesOf });
}

/** The contacts of an address book that the server does not have as they are, as the server takes them. */
export async function changedContacts(
  contacts: readonly Contact[],
  options: Pick<ContactSyncOptions, "contactHashes" | "syncTarget">,
): Promise<SyncContact[]> {
  const sent = await sentTo(options);
  return contacts.map(wireContactOf)
    .filter((contact) => sent[contactKey(contact)] !== contactDigest(contact));
}

/**
 * Sends the contacts that the server does not have as they are. A contact that is no longer given is left alone:
 * a source that cannot be read at the moment is not a deletion.
 *
 * @throws what `ServerClient` throws; a part that was acknowledged is not sent again
 */
export async function syncContacts(
  contacts: readonly Contact[],
  options: ContactSyncOptions,
): Promise<ContactSyncReport> {
  const { contactHashes, records, server, syncTarget } = options;
  const refusals = new Refusals();
  let sent = await sentTo(options);
  const changed = await changedContacts(contacts, options);
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
    await addRefused(records, refusals.take());
    sent = { ...sent, ...Object.fromEntries(part.map((item) => [contactKey(item), contactDigest(item)])) };
    await contactHashes.save({ syncTarget, sent });
  }
  return { total: contacts.length, sent: changed.length - refusals.total, refused: refusals.total };
}

/** What this account has been sent; hashes that cannot be read mean sending everything again. */
async function sentTo(
  { contactHashes, syncTarget }: Pick<ContactSyncOptions, "contactHashes" | "syncTarget">,
): Promise<ContactHashes["sent"]> {
  const stored = await contactHashes.load();
  return stored.kind === "found" && stored.state.syncTarget === syncTarget ? stored.state.sent : {};
}

function wireContactOf({ phoneNumber, email, displayName, avatarHash }: Contact): SyncContact {
  return {
    appleId: null,
    phoneNumber: fitLabel(phoneNumber, MAX_PHONE_NUMBER_LENGTH),
    email: fitLabel(email, MAX_ADDRESS_LENGTH),
    displayName: fitText(displayName, MAX_DISPLAY_NAME_LENGTH),
    avatarHash,
  };
}

/** The digest of what identifies a contact, whatever else changes. */
function contactKey({ appleId, phoneNumber, email }: SyncContact): string {
  return digestOf(JSON.stringify([appleId ?? null, phoneNumber ?? null, email ?? null]));
}

function contactDigest({ displayName, avatarHash, ...identifiers }: SyncContact): string {
  return digestOf(JSON.stringify([contactKey(identifiers), displayName ?? null, avatarHash ?? null]));
}
