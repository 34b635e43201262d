/**
 * Takes over the JSON files in which earlier versions stored what agent.db holds. A file that is there is newer than
 * what agent.db says, for every version that writes agent.db removes it: so it replaces that, whole.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { delay } from "../../lib/backoff.ts";
import type { TimestampFinder } from "../chatdb/messages/row_timestamps.ts";
import { diskFault } from "../platform/private_file.ts";
import {
  type AgentDatabase,
  BROKEN,
  type Loss,
  noteLoss,
  Values,
  type ValueTable,
} from "./agent_database.ts";
import {
  cursorSchema,
  refusedItemSchema,
  sendEntrySchema,
  shownSuggestionSchema,
  suggestionModeSchema,
  syncFailureSchema,
  syncSummarySchema,
} from "./stored_values.ts";
import { SyncState } from "./sync_state.ts";

/** What belongs together: the files of one area are taken over by whoever may write them. */
export type StateArea = "sync" | "suggestions";

interface OldFile {
  readonly name: string;
  readonly area: StateArea;
  /** What is lost with it; absent where that does no harm. */
  readonly loss?: Loss;
  /** @throws when the content is not what an earlier version wrote */
  readonly take: (content: unknown, database: AgentDatabase) => void;
}

const byRowId = <Value extends z.ZodType>(value: Value) => z.record(z.string().regex(/^\d+$/), value);
/** The keys under which earlier versions stored timestamps and the rows in Recently Deleted. */
// deno-lint-ignore style/language -- stored by earlier versions
const OLD = { timestamps: "stamps", recentlyDeleted: "putAway" } as const;

const oldCursorSchema = z.object({
  version: z.literal(4),
  ...cursorSchema.omit({ deletedId: true }).shape,
  changes: z.object({
    [OLD.timestamps]: z.object({
      recent: byRowId(z.number()),
      older: byRowId(z.string()),
      lastOlderRowId: z.int(),
    }),
    watched: byRowId(z.object({ state: z.string(), untilMs: z.number().nullable() })),
    [OLD.recentlyDeleted]: z.array(z.int()),
    deletedId: z.int().nonnegative(),
  }),
});
const oldContactsSchema = z.object({
  version: z.literal(1),
  syncTarget: z.string(),
  sent: z.record(z.string(), z.string()),
});
const oldRecordSchema = z.object({
  version: z.literal(2),
  lastSync: syncSummarySchema.nullable(),
  lastFailure: syncFailureSchema.nullable(),
  refused: z.array(refusedItemSchema),
});
const oldSendsSchema = z.object({ version: z.literal(1), entries: z.array(sendEntrySchema) });
const oldShownSchema = z.object({ version: z.literal(1), shown: z.array(shownSuggestionSchema) });
const oldPoliciesSchema = z.object({
  version: z.literal(1),
  modes: z.record(z.string(), suggestionModeSchema),
});

const OLD_FILES: readonly OldFile[] = [
  { name: "cursor.json", area: "sync", loss: "cursor", take: takeCursor },
  { name: "contacts.json", area: "sync", take: takeContacts },
  { name: "sync.json", area: "sync", take: takeRecord },
  { name: "sent_replies.json", area: "suggestions", loss: "sends", take: takeSends },
  { name: "shown_suggestions.json", area: "suggestions", take: takeShown },
  { name: "suggestions.json", area: "suggestions", loss: "policies", take: takePolicies },
];

/** The files of an area that wait to be taken over. @throws UserError when one cannot be read */
export function oldFilesIn(
  dataDir: string,
  area: StateArea,
): { path: string; content: string; file: OldFile }[] {
  return OLD_FILES.filter((file) => file.area === area).flatMap((file) => {
    const path = join(dataDir, file.name);
    const content = readIfPresent(path);
    return content === null ? [] : [{ path, content, file }];
  });
}

/**
 * Takes the files of an area over, in one transaction. One that is not what an earlier version wrote is lost: what it
 * held is as if it had never been, but for those in `Loss`.
 *
 * @param keep false leaves the files as they are; else they are removed, or one that is lost is renamed
 * @throws UserError when a file cannot be read
 */
export function takeOverOldFiles(
  database: AgentDatabase,
  { dataDir, area, keep }: { dataDir: string; area: StateArea; keep: boolean },
): void {
  if (oldFilesIn(dataDir, area).length === 0) return;
  // Read once more inside the transaction: another process may have taken them by now.
  const done = database.transaction(() =>
    oldFilesIn(dataDir, area).map(({ path, content, file }) => {
      const isTaken = take(content, { file, database });
      const aside = keep ? path : path + BROKEN;
      if (!isTaken && file.loss !== undefined) noteLoss(database, file.loss, aside);
      return { path, aside, isTaken };
    })
  );
  for (const { path, aside, isTaken } of keep ? [] : done) {
    try {
      if (isTaken) Deno.removeSync(path);
      else Deno.renameSync(path, aside);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw diskFault("remove", path, { error });
    }
  }
}

/** Rows that earlier versions remembered by one digest for each block of so many. */
const OLD_BLOCK_ROWS = 250;
const BLOCKS_AT_ONCE = 20;

/**
 * Turns the digests of blocks, taken over from an earlier version, into checksums of rows. A block whose rows have
 * changed since gives none: its rows are then sent again, as that version would have done.
 */
export async function resolveOldBlocks(state: SyncState, findTimestamps: TimestampFinder): Promise<void> {
  const { database } = state;
  const next = "SELECT first_row_id, digest FROM old_blocks ORDER BY first_row_id LIMIT ?";
  while (true) {
    const blocks = database.all(next, BLOCKS_AT_ONCE);
    if (blocks.length === 0) return;
    database.transaction(() => {
      for (const [firstRowId, digest] of blocks) {
        const first = Number(firstRowId);
        const found = findTimestamps(first, first + OLD_BLOCK_ROWS - 1);
        if (oldDigestOf(found) === digest) { for (const row of found) state.noteChecksum(...row); }
        database.run("DELETE FROM old_blocks WHERE first_row_id = ?", firstRowId ?? null);
      }
    });
    await delay(0);
  }
}

function oldDigestOf(checksums: ReadonlyMap<number, number>): string {
  const inOrder = [...checksums].sort(([a], [b]) => a - b);
  return createHash("sha256").update(JSON.stringify(inOrder)).digest("hex").slice(0, 15);
}

function take(content: string, { file, database }: { file: OldFile; database: AgentDatabase }): boolean {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
    file.take(parsed, database);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return false;
    throw error;
  }
}

function readIfPresent(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw diskFault("read", path, { error });
  }
}

function takeCursor(content: unknown, database: AgentDatabase): void {
  const state = new SyncState(database);
  forget(database, "documents", ["cursor"]);
  for (const table of ["seen_rows", "old_blocks"]) database.run(`DELETE FROM ${table}`);
  const { changes, syncTarget, sinceMs, database: identity } = oldCursorSchema.parse(content);
  state.saveCursor({ syncTarget, sinceMs, database: identity, deletedId: changes.deletedId });
  const { recent, older } = changes[OLD.timestamps];
  for (const [rowId, checksum] of Object.entries(recent)) state.noteChecksum(Number(rowId), checksum);
  for (const [rowId, watch] of Object.entries(changes.watched)) state.watch(Number(rowId), watch);
  state.noteReportedDeleted(new Set(changes[OLD.recentlyDeleted]));
  for (const [rowId, digest] of Object.entries(older)) {
    database.run("INSERT INTO old_blocks VALUES (?, ?)", Number(rowId), digest);
  }
}

function takeContacts(content: unknown, database: AgentDatabase): void {
  forget(database, "documents", ["contacts_target"]);
  const { syncTarget, sent } = oldContactsSchema.parse(content);
  putAll(database, "documents", [["contacts_target", syncTarget]]);
  putAll(database, "contact_hashes", Object.entries(sent));
}

function takeRecord(content: unknown, database: AgentDatabase): void {
  forget(database, "documents", ["last_sync", "last_failure"]);
  forget(database, "refused_items");
  const { lastSync, lastFailure, refused } = oldRecordSchema.parse(content);
  if (lastSync !== null) putAll(database, "documents", [["last_sync", lastSync]]);
  if (lastFailure !== null) putAll(database, "documents", [["last_failure", lastFailure]]);
  putAll(database, "refused_items", refused.map((item) => [item.digest, item]));
}

function takeSends(content: unknown, database: AgentDatabase): void {
  const { entries } = oldSendsSchema.parse(content);
  putAll(database, "sent_replies", entries.map((entry) => [entry.responseId, entry]));
}

/** The file has the newest first. */
function takeShown(content: unknown, database: AgentDatabase): void {
  forget(database, "shown_suggestions");
  const { shown } = oldShownSchema.parse(content);
  putAll(database, "shown_suggestions", shown.toReversed().map((entry) => [entry.conversationId, entry]));
}

function takePolicies(content: unknown, database: AgentDatabase): void {
  forget(database, "conversation_policies");
  putAll(database, "conversation_policies", Object.entries(oldPoliciesSchema.parse(content).modes));
}

function forget(database: AgentDatabase, table: ValueTable, ids?: readonly string[]): void {
  const values = new Values(database, { table, schema: z.unknown() });
  if (ids === undefined) values.keepNewest(0);
  else for (const id of ids) values.delete(id);
}

function putAll(
  database: AgentDatabase,
  table: ValueTable,
  entries: Iterable<readonly [id: string, value: unknown]>,
): void {
  const values = new Values(database, { table, schema: z.unknown() });
  for (const [id, value] of entries) values.put(id, value);
}
