/** The record of past syncs: the last one, the last failure, and what the server refused. */
import { type AgentDatabase, DamagedStateError, Values } from "../state/agent_database.ts";
import type { AgentStore } from "../state/agent_store.ts";
import {
  type RefusedItem,
  refusedItemSchema,
  syncFailureSchema,
  type SyncSummary,
  syncSummarySchema,
} from "../state/stored_values.ts";

export interface SyncRecord {
  readonly lastSync: SyncSummary | null;
  /** A failure after `lastSync`; its message is the sentence that the person read. */
  readonly lastFailure: { readonly at: string; readonly message: string } | null;
  readonly refused: readonly RefusedItem[];
}

const NO_RECORD: SyncRecord = { lastSync: null, lastFailure: null, refused: [] };
const [LAST_SYNC, LAST_FAILURE] = ["last_sync", "last_failure"];

function summaries(database: AgentDatabase): Values<SyncSummary> {
  return new Values(database, { table: "documents", schema: syncSummarySchema });
}

function failures(database: AgentDatabase): Values<NonNullable<SyncRecord["lastFailure"]>> {
  return new Values(database, { table: "documents", schema: syncFailureSchema });
}

function refusals(database: AgentDatabase): Values<RefusedItem> {
  return new Values(database, { table: "refused_items", schema: refusedItemSchema });
}

/** The record, or an empty one when it cannot be read: it only informs. */
export function loadRecord(store: AgentStore): SyncRecord {
  try {
    return store.read((database) => ({
      lastSync: summaries(database).get(LAST_SYNC),
      lastFailure: failures(database).get(LAST_FAILURE),
      refused: [...refusals(database).all().values()],
    }));
  } catch (error) {
    if (error instanceof DamagedStateError) return NO_RECORD;
    throw error;
  }
}

/** Records a completed sync; a failure before it is over. */
export function recordSync(database: AgentDatabase, summary: SyncSummary): void {
  summaries(database).put(LAST_SYNC, summary);
  failures(database).delete(LAST_FAILURE);
}

export function recordFailure(
  database: AgentDatabase,
  failure: NonNullable<SyncRecord["lastFailure"]>,
): void {
  failures(database).put(LAST_FAILURE, failure);
}

/** Adds refused items; one that was refused before is counted once. */
export function addRefused(database: AgentDatabase, refused: readonly RefusedItem[]): void {
  for (const item of refused) refusals(database).put(item.digest, item);
}

/** Forgets what was refused, so that it is tried again. */
export function forgetRefused(database: AgentDatabase): void {
  refusals(database).keepNewest(0);
}
