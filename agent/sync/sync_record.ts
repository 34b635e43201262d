/** The record of past syncs: the last one, the last failure, and what the server refused. */
import { join } from "node:path";
import { countField, objectField, type StateFile, stateFile, textField } from "../platform/state_file.ts";

/** An item that the server refused. It names neither text nor person. */
export interface RefusedItem {
  readonly kind: "message" | "contact";
  /** ROWID of the message; 0 for a contact. */
  readonly rowId: number;
  /** Digest of the guid, or of the contact's identifiers. */
  readonly digest: string;
  /** Error code of the contract. */
  readonly code: string;
  /** Path of the fault in the request. */
  readonly path: string;
}

/** What a completed sync did. */
export interface SyncSummary {
  readonly endedAt: string;
  readonly durationMs: number;
  readonly contacts: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
}

export interface SyncRecord {
  readonly lastSync: SyncSummary | null;
  /** A failure after `lastSync`; its message is the sentence that the person read. */
  readonly lastFailure: { readonly at: string; readonly message: string } | null;
  readonly refused: readonly RefusedItem[];
}

export const NO_RECORD: SyncRecord = { lastSync: null, lastFailure: null, refused: [] };

const FILE = "sync.json";
const VERSION = 2;

function summaryOf(fields: Record<string, unknown>): SyncSummary {
  return {
    endedAt: textField(fields, "endedAt"),
    durationMs: countField(fields, "durationMs"),
    contacts: countField(fields, "contacts"),
    inserted: countField(fields, "inserted"),
    updated: countField(fields, "updated"),
    unchanged: countField(fields, "unchanged"),
    deleted: countField(fields, "deleted"),
  };
}

function refusedOf(value: unknown): RefusedItem {
  const item = objectField({ value }, "value");
  if (item === null) throw new TypeError("A refused item must be an object");
  return {
    kind: textField(item, "kind") === "contact" ? "contact" : "message",
    rowId: countField(item, "rowId"),
    digest: textField(item, "digest"),
    code: textField(item, "code"),
    path: textField(item, "path"),
  };
}

function recordOf(fields: Record<string, unknown>): SyncRecord {
  const [lastSync, failure] = [objectField(fields, "lastSync"), objectField(fields, "lastFailure")];
  if (!Array.isArray(fields.refused)) throw new TypeError("A sync record must list what was refused");
  return {
    lastSync: lastSync && summaryOf(lastSync),
    lastFailure: failure && { at: textField(failure, "at"), message: textField(failure, "message") },
    refused: fields.refused.map(refusedOf),
  };
}

/** The record of a data folder. */
export function recordStore(dataDir: string): StateFile<SyncRecord> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: recordOf });
}

/** The record, or an empty one when it cannot be read: it only informs. */
export async function loadRecord(records: StateFile<SyncRecord>): Promise<SyncRecord> {
  const stored = await records.load();
  return stored.kind === "found" ? stored.state : NO_RECORD;
}

/** Adds refused items; one that was refused before is counted once. */
export async function addRefused(
  records: StateFile<SyncRecord>,
  refused: readonly RefusedItem[],
): Promise<void> {
  if (refused.length === 0) return;
  const record = await loadRecord(records);
  const byDigest = new Map([...record.refused, ...refused].map((item) => [item.digest, item]));
  await records.save({ ...record, refused: [...byDigest.values()] });
}
