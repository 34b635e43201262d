/** Migrates the schema: applies the numbered SQL files of migrations/ once each, in order. */
import { createHash } from "node:crypto";
import { UserError } from "../../lib/errors.ts";
import type { Database, OwnConnection } from "./database.ts";
import type { Sql } from "./sql.ts";

/** Any number all servers agree on: it names the advisory lock that keeps two from migrating at once. */
const MIGRATION_LOCK = 4_207_715_001;
const OLDEST_POSTGRES = 15;
const MIGRATIONS_DIR = new URL("./migrations/", import.meta.url);

/** One SQL file; `sha256` shows whether an applied one was changed later. */
export interface Migration {
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
}

/** Reads the SQL files of a folder, by name. */
export async function readMigrations(folder: URL = MIGRATIONS_DIR): Promise<Migration[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name))
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return await Promise.all(names.map(async (name) => {
    const text = await Deno.readTextFile(new URL(name, folder));
    return { name, text, sha256: createHash("sha256").update(text).digest("hex") };
  }));
}

async function checkServer(sql: Sql): Promise<void> {
  const [row] = await sql<{ version: string; encoding: string }>`
    select current_setting('server_version') as version, current_setting('server_encoding') as encoding`;
  if (Number.parseInt(row?.version ?? "", 10) < OLDEST_POSTGRES) {
    throw new UserError(
      `PostgreSQL ${row?.version} is too old: point DATABASE_URL at version ${OLDEST_POSTGRES} or later`,
    );
  }
  if (row?.encoding !== "UTF8") {
    throw new UserError(
      `The database of DATABASE_URL is encoded as ${row?.encoding}: create it with ENCODING 'UTF8'`,
    );
  }
}

/** The extension that the search needs is part of PostgreSQL's contrib package, and may be made by who owns the database. */
async function checkExtension(sql: Sql): Promise<void> {
  const [row] = await sql<{ installed: boolean; available: boolean; allowed: boolean }>`
    select exists (select from pg_extension where extname = 'pg_trgm') as installed,
      exists (select from pg_available_extensions where name = 'pg_trgm') as available,
      has_database_privilege(current_database(), 'create') as allowed`;
  if (!row || row.installed) return;
  if (!row.available) {
    throw new UserError("The PostgreSQL of DATABASE_URL has no extension pg_trgm, which the search needs", {
      fix: "Install PostgreSQL's contrib package (postgresql-contrib) on that server",
    });
  }
  if (!row.allowed) {
    throw new UserError(
      "The role of DATABASE_URL may not make the extension pg_trgm, which the search needs",
      {
        fix: "Run `create extension pg_trgm` in that database as its owner",
      },
    );
  }
}

/** The migrations still to be applied. Throws a UserError when history and files disagree. */
function pendingOf(migrations: readonly Migration[], applied: ReadonlyMap<string, string>): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration.sha256]));
  for (const [name, sha256] of applied) {
    if (!known.has(name)) {
      throw new UserError(
        `The database was migrated by a newer version of this program (${name}): run that version, or restore a backup`,
      );
    }
    if (known.get(name) !== sha256) {
      throw new UserError(
        `The migration ${name} was changed after it had been applied to this database: restore the file, and put changes into a new migration`,
      );
    }
  }
  return migrations.filter((migration) => !applied.has(migration.name));
}

async function apply(sql: Sql, { name, text, sha256 }: Migration): Promise<void> {
  await sql.script(text);
  await sql`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`;
}

async function applyInTransaction(sql: Sql, migration: Migration): Promise<void> {
  await sql`begin`;
  try {
    await apply(sql, migration);
    await sql`commit`;
  } catch (error) {
    await sql`rollback`;
    throw error;
  }
}

async function readPending(
  sql: Sql,
  migrations: readonly Migration[],
): Promise<{ pending: Migration[]; isNew: boolean }> {
  await sql`create table if not exists schema_migrations (
    name text primary key, sha256 text not null, applied_at timestamptz(3) not null default now())`;
  const rows = await sql<{ name: string; sha256: string }>`select name, sha256 from schema_migrations`;
  const pending = pendingOf(migrations, new Map(rows.map((row) => [row.name, row.sha256])));
  return { pending, isNew: rows.length === 0 };
}

/** Applies those of these migrations that the schema lacks, within the transaction that `sql` is in. */
export async function migrateIn(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  const { pending } = await readPending(sql, migrations);
  for (const migration of pending) await apply(sql, migration);
}

/** False for a database that no server has used yet. */
export async function isMigrated({ sql }: Pick<Database, "sql">): Promise<boolean> {
  const [row] = await sql<{ found: boolean }>`select to_regclass('schema_migrations') is not null as found`;
  return row?.found ?? false;
}

/** Waits until no other server migrates, and keeps others from it until the connection ends. */
export async function holdMigrationLock(sql: Sql): Promise<void> {
  await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
}

/** What {@linkcode migrate} may be given. */
export interface MigrateOptions {
  /** Those of the program, unless given. */
  readonly migrations?: readonly Migration[];
  /** Called before a database that holds something is changed; the migrations wait for it, and fail with it. */
  readonly before?: (own: OwnConnection, next: Migration) => Promise<void>;
}

/**
 * Brings the database to the newest schema, each migration in a transaction of its own; servers that start
 * together take turns. Returns the names of the migrations it applied.
 *
 * @throws UserError when the server is too old, not UTF-8 or without pg_trgm, an applied migration was changed, or a newer program was here
 */
export async function migrate(
  database: Database,
  { migrations, before }: MigrateOptions = {},
): Promise<string[]> {
  const files = migrations ?? await readMigrations();
  // A large table may take longer to change than a request may take.
  await using own = await database.connect();
  const { sql } = own;
  await checkServer(sql);
  await checkExtension(sql);
  await holdMigrationLock(sql);
  const { pending, isNew } = await readPending(sql, files);
  const [next] = pending;
  if (next !== undefined && !isNew) await before?.(own, next);
  for (const migration of pending) await applyInTransaction(sql, migration);
  return pending.map(({ name }) => name);
}
