/** The record of past syncs: the last one, the last failure, and what the server refused. */
import type { AgentDatabase } from "../state/agent_database.ts";
import type { AgentStore } from "../state/agent_store.ts";
import type { DocumentValues, RefusedItem, SyncSummary } from "../state/stored_values.ts";

export interface SyncRecord {
  readonly lastSync: SyncSummary | null;
  /** A failure after `lastSync`; its message is the sentence that the person read. */
  readonly lastFailure: DocumentValues["last_failure"] | null;
  readonly refused: readonly RefusedItem[];
}

/** The record, or an empty one when it cannot be read: it only informs. */
export function loadRecord(store: AgentStore): SyncRecord {
  return store.read((database) => ({
    lastSync: database.document("last_sync").get(),
    lastFailure: database.document("last_failure").get(),
    refused: [...database.values("refused_items").all().values()],
  }), () => ({ lastSync: null, lastFailure: null, refused: [] }));
}

/** Records a completed sync; a failure before it is over. */
export function recordSync(database: AgentDatabase, summary: SyncSummary): void {
  database.document("last_sync").put(summary);
  database.document("last_failure").delete();
}

/** Adds refused items; one that was refused before is counted once. */
export function addRefused(database: AgentDatabase, refused: readonly RefusedItem[]): void {
  for (const item of refused) database.values("refused_items").put(item.digest, item);
}
