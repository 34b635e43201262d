/**
 * Dumps the database as lines of JSON: one that says what the dump is, then for each table one that names it and one for
 * each of its rows, then for each adapter one that names it and lines of base64 with what ml gives of it.
 *
 * Plain queries write and read it, so that a dump of one PostgreSQL fits any other, whatever its version.
 */
import { z } from "../../../deps.ts";
import { VERSION } from "../../../lib/version.ts";
import type { OwnConnection } from "../database.ts";
import type { Sql } from "../sql.ts";

/** The table that a dump leaves out: the schema's history is in its first line. */
const HISTORY_TABLE = "schema_migrations";
const ROWS_PER_FETCH = 500;

/** The first line. */
export const dumpHeaderSchema = z.strictObject({
  backup: z.literal("conversation-assistant"),
  /** Of version 1 holds no adapters. */
  format: z.union([z.literal(1), z.literal(2)]),
  /** The version of the program that wrote it. */
  program: z.string(),
  createdAt: z.iso.datetime(),
  /** The migrations that had been applied, in order. */
  migrations: z.array(z.strictObject({ name: z.string(), sha256: z.string() })),
  /** The secret that signs device tokens, in hex, which may be in no table; null to keep the one that is there. */
  secret: z.string().nullable(),
});
export type DumpHeader = z.infer<typeof dumpHeaderSchema>;

/** The line before a table's rows. */
export const dumpTableSchema = z.strictObject({
  table: z.string(),
  columns: z.array(z.string()).min(1),
  /** How many lines follow that are a row each: an object of its columns. */
  rows: z.int().nonnegative(),
});
export type DumpTable = z.infer<typeof dumpTableSchema>;

/** The line before an adapter's base64. */
export const dumpAdapterSchema = z.strictObject({ adapter: z.string() });

/** The line behind it. */
export const ADAPTER_END_LINE = '{"adapterEnd":true}';

/** The last line; a dump without it was cut off. */
export const END_LINE = '{"end":true}';

/** A name as SQL writes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

type TableShape = Omit<DumpTable, "rows">;

/** The tables, each behind those that it refers to; a table may refer to itself. */
function byReference(
  tables: readonly TableShape[],
  references: readonly { from_table: string; to_table: string }[],
): TableShape[] {
  const ordered: TableShape[] = [];
  const remaining = new Map(tables.map((table) => [table.table, table]));
  while (remaining.size > 0) {
    const free = [...remaining.values()].filter(({ table }) =>
      !references.some(({ from_table, to_table }) =>
        from_table === table && to_table !== table && remaining.has(to_table)
      )
    );
    if (free.length === 0) throw new Error(`Tables refer to each other: ${[...remaining.keys()].join(", ")}`);
    for (const table of free) remaining.delete(table.table);
    ordered.push(...free);
  }
  return ordered;
}

async function tablesOf(sql: Sql): Promise<TableShape[]> {
  const tables = await sql<{ table: string; columns: string[] }>`
    select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
      and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    group by c.relname order by c.relname`;
  const references = await sql<{ from_table: string; to_table: string }>`
    select f.relname as from_table, t.relname as to_table
    from pg_constraint k join pg_class f on f.oid = k.conrelid join pg_class t on t.oid = k.confrelid
    where k.contype = 'f' and k.connamespace = current_schema()::regnamespace`;
  return byReference(tables.filter(({ table }) => table !== HISTORY_TABLE), references);
}

async function* rowsOf(sql: Sql, table: string): AsyncGenerator<string[]> {
  await sql.script(
    `declare dumped no scroll cursor for select to_jsonb(t)::text as row from ${quoted(table)} t`,
  );
  for (;;) {
    const rows = await sql.script<{ row: string }>(`fetch ${ROWS_PER_FETCH} from dumped`);
    if (rows.length === 0) break;
    yield rows.map(({ row }) => row);
  }
  await sql`close dumped`;
}

/** What a dump is made of besides the database. */
export interface DumpOptions {
  /** See {@linkcode DumpHeader}. */
  readonly secret: string | null;
  /** Gives an adapter as ml keeps it; null for one that cannot be had. Absent: the dump holds none. */
  readonly copyAdapter?: (id: string) => Promise<AsyncIterable<Uint8Array> | null>;
}

async function adapterIdsOf(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }>`
    select id from adapters where state <> 'tainted' order by created_at, id`;
  return rows.map(({ id }) => id);
}

/** The lines of an adapter, one by one. */
async function* adapterLines(id: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  yield JSON.stringify({ adapter: id } satisfies z.infer<typeof dumpAdapterSchema>);
  for await (const piece of bytes) yield piece.toBase64();
  yield ADAPTER_END_LINE;
}

/**
 * The dump of a database as it is at one moment, some lines at a time; servers may go on writing meanwhile.
 *
 * @param own is in the dump's transaction until its last row was taken
 */
export async function* dump(
  { sql }: OwnConnection,
  { secret, copyAdapter }: DumpOptions,
): AsyncGenerator<string> {
  const lines = (...values: string[]) => values.map((value) => `${value}\n`).join("");
  await sql.script("set statement_timeout = 0; begin isolation level repeatable read read only");
  const migrations = await sql<{ name: string; sha256: string }>`
    select name, sha256 from schema_migrations order by name`;
  const header: DumpHeader = {
    backup: "conversation-assistant",
    format: 2,
    program: VERSION,
    createdAt: new Date().toISOString(),
    migrations: [...migrations],
    secret,
  };
  yield lines(JSON.stringify(header));
  for (const shape of await tablesOf(sql)) {
    const [{ rows } = { rows: 0 }] = await sql.script<{ rows: number }>(
      `select count(*)::int as rows from ${quoted(shape.table)}`,
    );
    yield lines(JSON.stringify({ ...shape, rows } satisfies DumpTable));
    for await (const fetched of rowsOf(sql, shape.table)) yield lines(...fetched);
  }
  const adapterIds = copyAdapter === undefined ? [] : await adapterIdsOf(sql);
  await sql`commit`;
  for (const id of adapterIds) {
    const bytes = await copyAdapter?.(id) ?? null;
    if (bytes === null) continue;
    for await (const line of adapterLines(id, bytes)) yield lines(line);
  }
  yield lines(END_LINE);
}
