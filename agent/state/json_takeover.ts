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
import { type AgentDatabase, BROKEN, type Loss } from "./agent_database.ts";
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
  /** The rows of agent.db that its content takes the place of. */
  readonly replaces: readonly string[];
  /** @throws ZodError when the content is not what an earlier version wrote */
  readonly take: (content: unknown, database: AgentDatabase) => void;
}

const byRowId = <Value extends z.ZodType>(value: Value) => z.record(z.string().regex(/^\d+$/), value);
/** The keys under which earlier versions stored timestamps and the rows in Recently Deleted. */
// deno-lint-ignore style/language -- stored by earlier versions
const OLD = { timestamps: "stamps", recentlyDeleted: "putAway" } as const;

const oldCursorSchema = z.object({
  version: z.literal(4),
  ...cursorSchema.omit({ deletedId: true, hasOutcomes: true }).shape,
  changes: z.object({
    [OLD.timestamps]: z.object({ recent: byRowId(z.number()), older: byRowId(z.string()) }),
    watched: byRowId(z.object({ state: z.string(), untilMs: z.number().nullable() })),
    [OLD.recentlyDeleted]: z.array(z.int()),
    deletedId: z.int().nonnegative(),
  }),
});

const OLD_FILES: readonly OldFile[] = [
  {
    name: "cursor.json",
    area: "sync",
    loss: "cursor",
    replaces: ["documents WHERE id = 'cursor'", "seen_rows", "old_blocks"],
    take(content, database) {
      const { changes, syncTarget, sinceMs, database: identity } = oldCursorSchema.parse(content);
      const state = new SyncState(database);
      const { deletedId } = changes;
      state.saveCursor({ syncTarget, sinceMs, database: identity, deletedId, hasOutcomes: false });
      const { recent, older } = changes[OLD.timestamps];
      for (const [rowId, checksum] of Object.entries(recent)) state.noteChecksum(Number(rowId), checksum);
      for (const [rowId, watch] of Object.entries(changes.watched)) state.watch(Number(rowId), watch);
      state.noteReportedDeleted(new Set(changes[OLD.recentlyDeleted]));
      for (const [rowId, digest] of Object.entries(older)) {
        database.run("INSERT INTO old_blocks VALUES (?, ?)", Number(rowId), digest);
      }
    },
  },
  {
    name: "contacts.json",
    area: "sync",
    replaces: ["documents WHERE id = 'contacts_target'", "contact_hashes"],
    take(content, database) {
      const { syncTarget, sent } = z.object({
        version: z.literal(1),
        syncTarget: z.string(),
        sent: z.record(z.string(), z.string()),
      }).parse(content);
      database.document("contacts_target").put(syncTarget);
      for (const [id, hash] of Object.entries(sent)) database.values("contact_hashes").put(id, hash);
    },
  },
  {
    name: "sync.json",
    area: "sync",
    replaces: ["documents WHERE id IN ('last_sync', 'last_failure')", "refused_items"],
    take(content, database) {
      const { lastSync, lastFailure, refused } = z.object({
        version: z.literal(2),
        lastSync: syncSummarySchema.nullable(),
        lastFailure: syncFailureSchema.nullable(),
        refused: z.array(refusedItemSchema),
      }).parse(content);
      if (lastSync !== null) database.document("last_sync").put(lastSync);
      if (lastFailure !== null) database.document("last_failure").put(lastFailure);
      for (const item of refused) database.values("refused_items").put(item.digest, item);
    },
  },
  {
    name: "sent_replies.json",
    area: "suggestions",
    loss: "sends",
    replaces: [],
    take(content, database) {
      const { entries } = z.object({ version: z.literal(1), entries: z.array(sendEntrySchema) }).parse(
        content,
      );
      for (const entry of entries) database.values("sent_replies").put(entry.responseId, entry);
    },
  },
  {
    name: "shown_suggestions.json",
    area: "suggestions",
    replaces: ["shown_suggestions"],
    // The file has the newest first.
    take(content, database) {
      const { shown } = z.object({ version: z.literal(1), shown: z.array(shownSuggestionSchema) }).parse(
        content,
      );
      for (const entry of shown.toReversed()) {
        database.values("shown_suggestions").put(entry.conversationId, entry);
      }
    },
  },
  {
    name: "suggestions.json",
    area: "suggestions",
    loss: "policies",
    replaces: ["conversation_policies"],
    take(content, database) {
      const { modes } = z.object({ version: z.literal(1), modes: z.record(z.string(), suggestionModeSchema) })
        .parse(content);
      for (const [id, mode] of Object.entries(modes)) database.values("conversation_policies").put(id, mode);
    },
  },
];

/** The files of an area that wait to be taken over. @throws UserError when one cannot be read */
export function oldFilesIn(
  { dataDir, area }: { dataDir: string; area: StateArea },
): { path: string; content: string; file: OldFile }[] {
  return OLD_FILES.filter((file) => file.area === area).flatMap((file) => {
    const path = join(dataDir, file.name);
    try {
      return [{ path, content: Deno.readTextFileSync(path), file }];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw diskFault("read", path, { error });
    }
  });
}

/**
 * Takes the files of an area over, in one transaction. One that is not what an earlier version wrote is lost: what it
 * held is as if it had never been, but for those in `Loss`. Each is removed then, or renamed when it is lost; a database
 * in memory leaves them as they are.
 *
 * @throws UserError when a file cannot be read
 */
export function takeOverOldFiles(
  database: AgentDatabase,
  folder: { dataDir: string; area: StateArea },
): void {
  if (oldFilesIn(folder).length === 0) return;
  // Read once more inside the transaction: another process may have taken them by now.
  const done = database.transaction(() =>
    oldFilesIn(folder).map(({ path, content, file }) => {
      const isTaken = take(content, { file, database });
      const aside = database.isKept ? path + BROKEN : path;
      if (!isTaken && file.loss !== undefined) database.values("lost_state").put(file.loss, aside);
      return { path, aside, isTaken };
    })
  );
  for (const { path, aside, isTaken } of database.isKept ? done : []) {
    try {
      if (isTaken) Deno.removeSync(path);
      else Deno.renameSync(path, aside);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw diskFault("remove", path, { error });
    }
  }
}

/** Returns false for a file that is lost. */
function take(content: string, { file, database }: { file: OldFile; database: AgentDatabase }): boolean {
  for (const rows of file.replaces) database.run(`DELETE FROM ${rows}`);
  try {
    file.take(JSON.parse(content), database);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return false;
    throw error;
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
