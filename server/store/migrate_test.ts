/** Tests the migrations, and that the drizzle schema matches what they create. */
import assert from "node:assert/strict";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { createTestDatabase, testServers } from "../../tests/support/postgres/postgres.ts";
import { isUserError } from "../../tests/support/process/user_error.ts";
import { type Database, openDatabase } from "./database.ts";
import { migrate, type Migration, readMigrations } from "./migrate.ts";
import * as schema from "./schema.ts";

function migration(name: string, text: string): Migration {
  return { name, text, sha256: `hash of ${text}` };
}

async function tablesOf({ sql }: Database): Promise<string[]> {
  const rows = await sql<
    { table_name: string }
  >`select table_name from information_schema.tables where table_schema = 'public' order by 1`;
  return rows.map((row) => row.table_name);
}

for (const server of await testServers()) {
  Deno.test(`servers that start together on an empty database migrate it once (${server})`, async () => {
    await using empty = await createTestDatabase(server, { migrated: false });
    const pools = Array.from({ length: 4 }, () => openDatabase({ ...empty.address, max: 1 }));
    const applied = await Promise.all(pools.map((pool) => migrate(pool)));
    const names = (await readMigrations()).map(({ name }) => name);
    assert(names.length > 0);
    assert.deepEqual(applied.flat(), names);
    assert.deepEqual(await migrate(empty.database), []);
    await Promise.all(pools.map((pool) => pool.close()));
  });

  Deno.test(`the drizzle schema has the tables and columns that the migrations make (${server})`, async () => {
    await using migrated = await createTestDatabase(server);
    // Search keys are left out of the schema, or each message that is read would carry them.
    const rows = await migrated.database.sql`
      select table_name || '.' || column_name as name, is_nullable = 'NO' as required,
        case when data_type = 'ARRAY' then substr(udt_name, 2) || '[]'
          when datetime_precision is not null then 'timestamp (' || datetime_precision || ') with time zone'
          else data_type end as type
      from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations'
        and (table_name, column_name) <> ('messages', 'search_keys')
      order by 1`;
    const declared = Object.values(schema).filter((value) => value instanceof PgTable)
      .map((table) => getTableConfig(table))
      .flatMap(({ name, columns }) =>
        columns.map((column) => ({
          name: `${name}.${column.name}`,
          required: column.notNull,
          type: column.getSQLType(),
        }))
      );
    const byName = (a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1;
    assert.deepEqual(rows.map((row) => ({ ...row })).sort(byName as never), declared.sort(byName));
  });
}

Deno.test("a migration that fails leaves nothing of itself, and those before it in place", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  const good = migration("0001_good.sql", "create table good (id int)");
  const bad = migration("0002_bad.sql", "create table bad (id int); select 1 / 0");
  await assert.rejects(migrate(empty.database, { migrations: [good, bad] }), /division by zero/);
  assert.deepEqual(await tablesOf(empty.database), ["good", "schema_migrations"]);
  const fixed = migration("0002_bad.sql", "create table fixed (id int)");
  assert.deepEqual(await migrate(empty.database, { migrations: [good, fixed] }), ["0002_bad.sql"]);
});

Deno.test("an applied migration that was changed is refused", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  await migrate(empty.database, { migrations: [migration("0001_a.sql", "create table a (id int)")] });
  const changed = [migration("0001_a.sql", "create table b (id int)")];
  await assert.rejects(
    migrate(empty.database, { migrations: changed }),
    isUserError(/0001_a\.sql was changed after it had been applied/),
  );
  assert.deepEqual(await tablesOf(empty.database), ["a", "schema_migrations"]);
});

Deno.test("a database that a newer version has migrated is refused", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  const first = migration("0001_a.sql", "create table a (id int)");
  await migrate(empty.database, { migrations: [first, migration("0002_b.sql", "create table b (id int)")] });
  await assert.rejects(
    migrate(empty.database, { migrations: [first] }),
    isUserError(/newer version of this program \(0002_b\.sql\)/),
  );
});

Deno.test("a PostgreSQL without pg_trgm is refused with what to install", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  const name = empty.address.database;
  await empty.database.sql.script(`alter database ${name} set extension_control_path = '/nowhere'`);
  await using bare = openDatabase({ ...empty.address, max: 1 });
  await assert.rejects(migrate(bare), isUserError(/has no extension pg_trgm/));
  assert.deepEqual(await tablesOf(bare), []);
});

for (const server of await testServers()) {
  Deno.test(`a role that may not make pg_trgm is refused until the owner has made it (${server})`, async () => {
    await using empty = await createTestDatabase(server, { migrated: false });
    const { database: name } = empty.address;
    const role = `role_of_${name}`;
    const { script } = empty.database.sql;
    await script(`create role ${role} login password 'test'; grant all on schema public to ${role}`);
    {
      await using own = openDatabase({ ...empty.address, user: role, password: "test", max: 1 });
      await assert.rejects(migrate(own), isUserError(/may not make the extension pg_trgm/));
      await script("create extension pg_trgm");
      assert.ok((await migrate(own)).includes("0023_search.sql"));
    }
    await script(`drop owned by ${role}; drop role ${role}`);
  });
}

Deno.test("a database that is not UTF-8 is refused", async () => {
  await using home = await createTestDatabase();
  const name = `ascii_${crypto.randomUUID().replaceAll("-", "")}`;
  await home.database.sql.script(
    `create database ${name} encoding 'SQL_ASCII' locale_provider libc locale 'C' template template0`,
  );
  {
    await using ascii = openDatabase({ ...home.address, database: name, max: 1 });
    await assert.rejects(migrate(ascii), isUserError(/encoded as SQL_ASCII: create it with ENCODING 'UTF8'/));
  }
  await home.database.sql.script(`drop database ${name}`);
});
