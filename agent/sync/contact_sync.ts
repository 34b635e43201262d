/** Owns the sync of contacts: those that are new or changed since they were last sent. */
import { MAX_SYNC_CONTACTS, type SyncContact } from "../../contract/sync.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { StateFile } from "../platform/state_file.ts";
import { contactDigest, type ContactHashes, contactKey } from "./contact_hashes.ts";
import { sendWithBisection } from "./send_with_bisection.ts";
import { Refusals } from "./refusals.ts";
import { addRefused, type SyncRecord } from "./sync_record.ts";

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

/** What this account has been sent; a ledger that cannot be read means sending all again. */
async function sentTo(
  { contactHashes, syncTarget }: Pick<ContactSyncOptions, "contactHashes" | "syncTarget">,
): Promise<ContactHashes["sent"]> {
  const stored = await contactHashes.load();
  return stored.kind === "found" && stored.state.syncTarget === syncTarget ? stored.state.sent : {};
}

/** The contacts that the server does not have as they are. */
export async function changedContacts(
  contacts: readonly SyncContact[],
  options: Pick<ContactSyncOptions, "contactHashes" | "syncTarget">,
): Promise<SyncContact[]> {
  const sent = await sentTo(options);
  return contacts.filter((contact) => sent[contactKey(contact)] !== contactDigest(contact));
}

/**
 * Sends the contacts that the server does not have as they are. A contact that is no longer given is left alone:
 * a source that cannot be read at the moment is not a deletion.
 *
 * @throws what `ServerClient` throws; a part that was acknowledged is not sent again
 */
export async function syncContacts(
  contacts: readonly SyncContact[],
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
      refuse: (items, { code, path }) =>
        refusals.add(items.map((item) => ({
          kind: "contact",
          rowId: 0,
          digest: contactKey(item),
          code,
          path,
        }))),
    });
    await addRefused(records, refusals.take());
    sent = { ...sent, ...Object.fromEntries(part.map((item) => [contactKey(item), contactDigest(item)])) };
    await contactHashes.save({ syncTarget, sent });
  }
  return { total: contacts.length, sent: changed.length - refusals.total, refused: refusals.total };
}
