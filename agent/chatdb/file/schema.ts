/** Owns what a chat.db has: its tables and columns, probed once, so that one query serves every release of macOS. */
import type { Query } from "./sql_value.ts";

/** Tables this agent reads; any of them but `message` may be absent (MVT, imessage-exporter test data). */
const TABLES = [
  "message",
  "handle",
  "chat",
  "attachment",
  "chat_message_join",
  "chat_handle_join",
  "message_attachment_join",
  "chat_recoverable_message_join",
  "deleted_messages",
  "sqlite_sequence",
] as const;

export type TableName = typeof TABLES[number];

/** The columns of each table that exists. */
export type Schema = ReadonlyMap<TableName, ReadonlySet<string>>;

/** Probes the tables and columns. Releases differ, and so do databases of one release: only the file itself knows. */
export function probeSchema(prepare: (sql: string) => Query): Schema {
  const schema = new Map<TableName, ReadonlySet<string>>();
  for (const table of TABLES) {
    const columns = prepare(`SELECT name FROM pragma_table_info('${table}')`)().map(([name]) => String(name));
    if (columns.length > 0) schema.set(table, new Set(columns));
  }
  return schema;
}

/** A select list of `columns` in their order, each qualified by its table, with NULL for those that are absent. */
export function selectList(
  schema: Schema,
  { table, columns }: { table: TableName; columns: readonly string[] },
): string {
  const present = schema.get(table);
  return columns.map((column) => present?.has(column) ? `${table}.${column}` : "NULL").join(", ");
}
