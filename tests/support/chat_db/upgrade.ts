/** The schema of a chat.db that an older macOS made: later columns came by ALTER, and differ from fresh ones. */
import { type Generation, tableColumns, tableStatements } from "./ddl.ts";

/** Left behind in databases that were upgraded to High Sierra; fresh ones lack them. */
const LEFTOVERS = ["sr_ck_sync_state", "sr_ck_record_id", "sr_ck_record_change_tag"];

/**
 * The statements that make the tables of `from` and bring them to `to`. What an upgrade adds comes last and in another
 * order, a number has the default 0, and a text the type STRING, under which SQLite keeps a phone number as a number
 * without its plus sign. No constraint can be added.
 */
export function upgradeStatements(from: Generation, to: Generation): string[] {
  const before = tableColumns(from);
  const fresh = tableStatements(to);
  const added = [...tableColumns(to)].flatMap(([table, columns]) => {
    const present = before.get(table);
    if (present === undefined) return [fresh.get(table) ?? ""];
    return [...columns].filter(([name]) => !present.has(name)).toReversed()
      .map(([name, definition]) => `ALTER TABLE ${table} ADD COLUMN ${name} ${addedType(definition)}`);
  });
  const leftovers = LEFTOVERS.map((name) => `ALTER TABLE message ADD COLUMN ${name} INTEGER DEFAULT 0`);
  return [...tableStatements(from).values(), ...leftovers, ...added];
}

function addedType(definition: string): string {
  if (definition.includes(" TEXT")) return "STRING DEFAULT NULL";
  return definition.includes(" BLOB") ? "BLOB" : "INTEGER DEFAULT 0";
}
