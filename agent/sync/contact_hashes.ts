/** Owns what the server already has of the address book: a digest of each contact as it was last sent. */
import { join } from "node:path";
import type { SyncContact } from "../../contract/sync.ts";
import { objectField, type StateFile, stateFile, textField } from "../platform/state_file.ts";
import { digestOf } from "./wire_text.ts";

export interface ContactHashes {
  readonly syncTarget: string;
  /** From the digest of a contact's identifiers to the digest of the whole contact. */
  readonly sent: Readonly<Record<string, string>>;
}

const FILE = "contacts.json";
const VERSION = 1;

function ledgerOf(fields: Record<string, unknown>): ContactHashes {
  const sent = objectField(fields, "sent") ?? {};
  const entries = Object.keys(sent).map((key) => [key, textField(sent, key)]);
  return { syncTarget: textField(fields, "syncTarget"), sent: Object.fromEntries(entries) };
}

/** The ledger of a data folder. */
export function contactHashStore(dataDir: string): StateFile<ContactHashes> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: ledgerOf });
}

/** Stands for a contact whatever is said of it: the digest of what identifies it. */
export function contactKey({ appleId, phoneNumber, email }: SyncContact): string {
  return digestOf(JSON.stringify([appleId ?? null, phoneNumber ?? null, email ?? null]));
}

/** Stands for all that is said of a contact. */
export function contactDigest({ displayName, avatarHash, ...identifiers }: SyncContact): string {
  return digestOf(JSON.stringify([contactKey(identifiers), displayName ?? null, avatarHash ?? null]));
}
