/** Restores a dump: makes the schema that it was taken from, fills it, and migrates it to the newest. */
import { getTableName, isTable } from "drizzle-orm";
import type { z } from "../../../deps.ts";
import { messageOf, UserError } from "../../../lib/errors.ts";
import type { Database } from "../database.ts";
import { holdMigrationLock, migrateIn, type Migration, readMigrations } from "../migrate.ts";
import * as schema from "../schema.ts";
import { rawFragment, type Sql } from "../sql.ts";
import {
  ADAPTER_END_LINE,
  dumpAdapterSchema,
  type DumpHeader,
  dumpHeaderSchema,
  type DumpTable,
  dumpTableSchema,
  END_LINE,
  quoted,
} from "./dump.ts";

const TABLES: ReadonlySet<string> = new Set([
  "schema_migrations",
  ...Object.values(schema).filter((value) => isTable(value)).map((table) => getTableName(table)),
]);
/** Characters of rows that one statement inserts. */
const CHARACTERS_PER_INSERT = 1_000_000;

/** More events than an account has between a backup and its restoring. */
const EVENTS_SKIPPED = 1_000_000_000;

export interface RestoreOptions {
  /** Whether what the database holds may be deleted. */
  readonly replace: boolean;
  /** Has ml take an adapter in, as it gave it; rejects with a UserError. Absent: adapters are left out. */
  readonly restoreAdapter?: (id: string, bytes: ReadableStream<Uint8Array<ArrayBuffer>>) => Promise<void>;
}

function damaged(what: string): UserError {
  return new UserError(`The backup is damaged: ${what}`, { fix: "Restore another one; nothing was changed" });
}

/** The lines of a dump, one after another. */
class DumpLines implements AsyncDisposable {
  readonly #pieces: AsyncIterator<string>;
  #lines: Iterator<string> = [].values();
  #rest = "";

  constructor(pieces: AsyncIterable<string>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next line, without its end; null behind the last one. */
  async #read(): Promise<string | null> {
    for (;;) {
      const { value: line, done } = this.#lines.next();
      if (!done) return line;
      const { value: piece, done: ended } = await this.#pieces.next();
      if (ended && this.#rest !== "") throw damaged("its last line is not complete");
      if (ended) return null;
      const lines = (this.#rest + piece).split("\n");
      this.#rest = lines.pop() ?? "";
      this.#lines = lines.values();
    }
  }

  async next(): Promise<string> {
    const line = await this.#read();
    if (line === null) throw damaged("it ends in the middle");
    return line;
  }

  /** Reads to the end, where a file shows whether it is damaged. */
  async end(): Promise<void> {
    if (await this.#read() !== null) throw damaged("something follows its end");
  }

  /** Frees what the lines come from. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.();
  }
}

/** What a line says; undefined when it says something else. */
function parsed<Schema extends z.ZodType>(line: string, schema: Schema): z.infer<Schema> | undefined {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

async function readHeader(lines: DumpLines): Promise<DumpHeader> {
  const header = parsed(await lines.next(), dumpHeaderSchema);
  if (header === undefined) throw new UserError("This file is no backup that this program can read");
  return header;
}

/** The migrations that made the dump's schema. */
function migrationsOf(
  { migrations: applied, program }: DumpHeader,
  known: readonly Migration[],
): Migration[] {
  for (const { name, sha256 } of applied) {
    const migration = known.find((migration) => migration.name === name);
    if (migration?.sha256 === sha256) continue;
    throw new UserError(
      `The backup was made by version ${program} of this program, whose ${name} is unknown here`,
      {
        fix: `Restore it with version ${program} or a later one`,
      },
    );
  }
  return known.slice(0, applied.length);
}

/** Drops all that the migrations made, and nothing else. */
async function dropSchema(sql: Sql, { replace }: RestoreOptions): Promise<void> {
  const found = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')`;
  const names = found.map(({ name }) => name);
  const foreign = names.filter((name) => !TABLES.has(name));
  if (foreign.length > 0) {
    throw new UserError(`The database holds tables that are not this program's (${foreign.join(", ")})`, {
      fix: "Restore into a database of its own",
    });
  }
  // Nobody claims the server between this look and what follows it.
  if (names.includes("accounts")) await sql.script("lock table accounts");
  const used = names.includes("accounts") &&
    (await sql<{ used: boolean }>`select exists (select from accounts) as used`)[0]?.used;
  if (used && !replace) {
    throw new UserError("The server holds messages already, and restoring deletes them", {
      fix: "Give `--replace` if they may be deleted",
    });
  }
  if (names.length > 0) await sql.script(`drop table ${names.map((name) => `"${name}"`).join(", ")} cascade`);
  const functions = await sql<{ name: string }>`
    select oid::regprocedure::text as name from pg_proc p
    where pronamespace = current_schema()::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`;
  for (const { name } of functions) await sql.script(`drop function ${name} cascade`);
}

async function insertRows(sql: Sql, { table, columns }: DumpTable, rows: readonly string[]): Promise<void> {
  const name = rawFragment(quoted(table));
  const names = rawFragment(columns.map(quoted).join(", "));
  await sql`
    insert into ${name} (${names}) overriding system value
    select ${names} from jsonb_populate_recordset(null::${name}, ${`[${rows.join(",")}]`}::jsonb)`;
}

async function fillTable(sql: Sql, table: DumpTable, lines: DumpLines): Promise<void> {
  let [rows, characters]: [string[], number] = [[], 0];
  for (let left = table.rows; left > 0; left--) {
    const row = await lines.next();
    rows.push(row);
    characters += row.length;
    if (left > 1 && characters < CHARACTERS_PER_INSERT) continue;
    await insertRows(sql, table, rows);
    [rows, characters] = [[], 0];
  }
}

/** The bytes of an adapter; consumed to their end, the lines go on behind them. */
async function* adapterBytes(lines: DumpLines): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let line = await lines.next(); line !== ADAPTER_END_LINE; line = await lines.next()) {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = Uint8Array.fromBase64(line);
    } catch {
      throw damaged("an adapter in it is no base64");
    }
    yield bytes;
  }
}

async function readAdapter(
  id: string,
  { lines, restoreAdapter }: Pick<RestoreOptions, "restoreAdapter"> & { lines: DumpLines },
): Promise<void> {
  const bytes = adapterBytes(lines);
  if (restoreAdapter === undefined) await Array.fromAsync(bytes, () => null);
  else await restoreAdapter(id, ReadableStream.from(bytes));
}

/** Returns how many rows there were. */
async function readContents(
  sql: Sql,
  { lines, restoreAdapter }: Pick<RestoreOptions, "restoreAdapter"> & { lines: DumpLines },
): Promise<number> {
  let rows = 0;
  for (let line = await lines.next(); line !== END_LINE; line = await lines.next()) {
    const adapter = parsed(line, dumpAdapterSchema);
    if (adapter !== undefined) {
      await readAdapter(adapter.adapter, { lines, restoreAdapter });
      continue;
    }
    const table = parsed(line, dumpTableSchema);
    if (table === undefined || !TABLES.has(table.table)) {
      throw damaged("it holds something other than the server's tables");
    }
    await fillTable(sql, table, lines);
    rows += table.rows;
  }
  await lines.end();
  return rows;
}

/** Rows that are written from now on get numbers behind those of the dump. */
async function advanceSequences(sql: Sql): Promise<void> {
  const columns = await sql<{ table: string; column: string }>`
    select c.relname as table, a.attname as column from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and a.attidentity <> ''`;
  for (const { table, column } of columns) {
    await sql.script(
      `select setval(pg_get_serial_sequence('"${table}"', '${column}'), max("${column}")) from "${table}"`,
    );
  }
}

/**
 * Events from now on get numbers that no client has seen: those between the dump and now were given already. With none
 * stored, no client takes the new ones for what follows its last one.
 */
async function renumberEvents(sql: Sql): Promise<void> {
  await sql`set constraints all immediate`;
  await sql`delete from events`;
  await sql`update accounts set last_event_id = last_event_id + ${EVENTS_SKIPPED}`;
}

async function restoreIn(
  sql: Sql,
  { lines, replace, restoreAdapter }: RestoreOptions & { lines: DumpLines },
): Promise<{ header: DumpHeader; rows: number }> {
  const header = await readHeader(lines);
  const known = await readMigrations();
  const atDump = migrationsOf(header, known);
  await dropSchema(sql, { replace });
  await migrateIn(sql, atDump);
  const rows = await readContents(sql, { lines, restoreAdapter });
  await advanceSequences(sql);
  // What waits for the commit would keep the migrations from the tables.
  await sql`set constraints all immediate`;
  await migrateIn(sql, known);
  await renumberEvents(sql);
  return { header, rows };
}

/**
 * Restores a dump in one transaction: when it fails, the database is as it was. Of an older schema, it is migrated to the
 * newest. A server that runs on the database waits meanwhile.
 *
 * @param options `dumped` is what `dump` gave, in pieces of any length
 * @returns how many rows were restored, and the dump's first line; the secret in it is left to the caller
 * @throws UserError when the dump is damaged or newer than the program, or the database is not empty
 */
export async function restore(
  database: Database,
  { dumped, ...options }: RestoreOptions & { dumped: AsyncIterable<string> },
): Promise<{ header: DumpHeader; rows: number }> {
  await using lines = new DumpLines(dumped);
  await using own = await database.connect();
  const { sql } = own;
  await sql.script("set statement_timeout = 0");
  await holdMigrationLock(sql);
  await sql`begin`;
  try {
    const restored = await restoreIn(sql, { lines, ...options });
    await sql`commit`;
    await sql.script("analyze");
    return restored;
  } catch (error) {
    await sql`rollback`;
    if (error instanceof UserError) throw error;
    throw new UserError(`The backup could not be restored: ${messageOf(error)}`, {
      fix: "Nothing was changed",
    });
  }
}
