/** Tests backups: what a restore brings back, on whichever PostgreSQL, and what it refuses. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { UserError } from "../../../lib/errors.ts";
import {
  createTestDatabase,
  type TestDatabase,
  testServers,
  urlOf,
} from "../../../tests/support/postgres/postgres.ts";
import { acceptedSample, batch, message, paired } from "../../../tests/support/server/store_rows.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { isUserError } from "../../../tests/support/process/user_error.ts";
import type { Database } from "../database.ts";
import { migrate, readMigrations } from "../migrate.ts";
import { openStore } from "../store.ts";
import { readBackup, writeBackup } from "./backup_file.ts";
import { dump } from "./dump.ts";
import { restore } from "./restore.ts";

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const SECRET = "5".repeat(64);
/** Texts that could be taken for a part of the format. */
const HOSTILE_TEXTS = [
  '{"end":true}',
  "\\.",
  "\n\\.\n",
  "tab\tand\r\n",
  "\\N",
  "-- complete",
  'COPY "x" FROM stdin;',
  "日本語 👩‍👩‍👧",
  "",
];

/** Every row of every table, as text. Events are none of it: a restore deletes them, and goes on behind their numbers. */
async function rowsOf({ sql }: Database): Promise<Record<string, string[]>> {
  const tables = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_name not in ('schema_migrations', 'events') order by 1`;
  const rows: Record<string, string[]> = {};
  for (const { name } of tables) {
    const found = await sql.script<{ row: string }>(
      `select (to_jsonb(t) - 'last_event_id')::text as row from "${name}" t order by 1`,
    );
    rows[name] = found.map(({ row }) => row);
  }
  return rows;
}

async function fill({ stores }: TestDatabase): Promise<void> {
  const origin = await paired(stores);
  const hostile = HOSTILE_TEXTS.map((text, minute) => message(`hostile-${minute}`, { text, minute }));
  await stores.ingest.ingestMessages(origin, batch(hostile));
  await acceptedSample(stores, origin);
  await stores.sharedSecret(SECRET);
}

async function lastEvent({ database: { sql } }: TestDatabase): Promise<number> {
  const [account] = await sql<{ id: string }>`select max(last_event_id) as id from accounts`;
  return Number(account?.id);
}

async function backUp({ database }: TestDatabase, path: string): Promise<void> {
  await using own = await database.connect();
  await writeBackup(own, path, { secret: SECRET, recipient, replace: false });
}

async function restoreFrom(
  path: string,
  { database }: TestDatabase,
  { key = identity, replace = false } = {},
) {
  const dumped = await readBackup(path, { askForKey: () => key });
  return await restore(database, { dumped, replace });
}

const servers = await testServers();
for (const [from, to] of servers.flatMap((from) => servers.map((to) => [from, to] as const))) {
  Deno.test(`a backup of ${from} restores into ${to} row by row, and ids go on behind it`, async () => {
    await using source = await createTestDatabase(from);
    await using target = await createTestDatabase(to, { migrated: false });
    await inTempDir(async (dir) => {
      await fill(source);
      const path = join(dir, "backup.age");
      await backUp(source, path);
      const { header } = await restoreFrom(path, target);
      assert.equal(header.secret, SECRET);
      const rows = await rowsOf(source.database);
      assert.deepEqual(await rowsOf(target.database), rows);
      assert(rows.messages?.length === HOSTILE_TEXTS.length + 1 && rows.training_samples?.length === 1);
      const [before, after] = [await lastEvent(source), await lastEvent(target)];
      assert(before > 0 && after > before + 1_000_000);
      assert.equal((await target.database.sql`select from events`).length, 0);
      await fill(target);
      const last = async ({ database: { sql } }: TestDatabase) =>
        (await sql<{ id: number }>`select max(id)::int as id from ml_outbox`)[0]?.id;
      assert((await last(target) ?? 0) >= (await last(source) ?? 0));
    });
  });
}

Deno.test("a backup is what was stored at one moment, while a device goes on sending", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase("embedded", { migrated: false });
  const origin = await paired(source.stores);
  const send = (n: number) =>
    source.stores.ingest.ingestMessages(origin, batch([message(`m-${n}`, { minute: n })]));
  await send(0);
  await using own = await source.database.connect();
  const pieces = dump(own, { secret: null });
  const afterEach = async function* () {
    let sent = 1;
    for await (const piece of pieces) {
      yield piece;
      await send(sent++);
    }
  };
  await restore(target.database, { dumped: afterEach(), replace: false });
  const [counts] = await target.database.sql`
    select (select count(*)::int from messages) as messages, (select message_count from conversations) as counted`;
  assert.deepEqual({ ...counts }, { messages: 1, counted: 1 });
});

Deno.test("a backup of an older schema is migrated to the newest", async () => {
  await using source = await createTestDatabase("embedded", { migrated: false });
  await using target = await createTestDatabase();
  const migrations = await readMigrations();
  await migrate(source.database, { migrations: migrations.slice(0, -1) });
  await source.database.sql`insert into accounts (id) values (${crypto.randomUUID()})`;
  await using own = await source.database.connect();
  await restore(target.database, { dumped: dump(own, { secret: null }), replace: false });
  assert.deepEqual(await migrate(target.database), []);
  assert.equal((await rowsOf(target.database)).accounts?.length, 1);
});

Deno.test("before a migration the database is backed up beside it, and the last three such backups stay", async () => {
  await using home = await createTestDatabase("embedded", { migrated: false });
  await using target = await createTestDatabase("embedded", { migrated: false });
  const migrations = await readMigrations();
  await inTempDir(async (dataDir) => {
    const folder = join(dataDir, "backups");
    await Deno.mkdir(folder);
    for (const n of [1, 2, 3]) await Deno.writeTextFile(join(folder, `before-000${n}_older.gz`), "");
    await migrate(home.database, { migrations: migrations.slice(0, -1) });
    await home.database.sql`insert into accounts (id) values (${crypto.randomUUID()})`;
    const before = await rowsOf(home.database);
    await (await openStore({ databaseUrl: urlOf(home.address), dataDir }))[Symbol.asyncDispose]();
    const name = `before-${migrations.at(-1)?.name.replace(".sql", "")}.gz`;
    const names = await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name);
    assert.deepEqual(names.sort(), ["before-0002_older.gz", "before-0003_older.gz", name]);
    await restoreFrom(join(folder, name), target);
    assert.deepEqual((await rowsOf(target.database)).accounts, before.accounts);
    await (await openStore({ databaseUrl: urlOf(home.address), dataDir }))[Symbol.asyncDispose]();
    assert.equal((await Array.fromAsync(Deno.readDir(folder))).length, 3);
  });
});

Deno.test("a server that is used is overwritten only on request, and completely", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase();
  await inTempDir(async (dir) => {
    await fill(source);
    await fill(target);
    const path = join(dir, "backup.age");
    await backUp(source, path);
    const held = await rowsOf(target.database);
    await assert.rejects(restoreFrom(path, target), isUserError(/holds messages already/));
    assert.deepEqual(await rowsOf(target.database), held);
    await restoreFrom(path, target, { replace: true });
    assert.deepEqual(await rowsOf(target.database), await rowsOf(source.database));
  });
});

Deno.test("a file that is cut off, changed or of another kind is refused, and nothing changes", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase();
  await inTempDir(async (dir) => {
    await fill(source);
    const path = join(dir, "backup.age");
    await backUp(source, path);
    const bytes = await Deno.readFile(path);
    const held = await rowsOf(target.database);
    const other = await generateX25519Identity();
    await assert.rejects(restoreFrom(path, target, { key: other }), isUserError(/key does not open/));
    await assert.rejects(restoreFrom(path, target, { key: "no key" }), isUserError(/key does not open/));
    await assert.rejects(restoreFrom(join(dir, "none"), target), isUserError(/There is no file/));
    const damaged = join(dir, "damaged");
    for (const share of [0.01, 0.3, 0.6, 0.99]) {
      const cut = Math.floor(bytes.length * share);
      await Deno.writeFile(damaged, bytes.subarray(0, cut));
      await assert.rejects(restoreFrom(damaged, target), UserError);
      await Deno.writeFile(damaged, bytes.with(cut, (bytes[cut] ?? 0) ^ 1));
      await assert.rejects(restoreFrom(damaged, target), UserError);
    }
    await Deno.writeTextFile(damaged, "a text");
    await assert.rejects(restoreFrom(damaged, target), isUserError(/is no backup/));
    assert.deepEqual(await rowsOf(target.database), held);
  });
});

Deno.test("a dump that was cut off, was made by a newer program or names another table is refused", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase();
  await fill(source);
  await using own = await source.database.connect();
  const text = (await Array.fromAsync(dump(own, { secret: null }))).join("");
  const refused = async (changed: string, sentence: RegExp) => {
    const dumped = ReadableStream.from([changed]);
    await assert.rejects(restore(target.database, { dumped, replace: false }), isUserError(sentence));
  };
  const lines = text.split("\n");
  for (const length of [2, Math.floor(lines.length / 2), lines.length - 2]) {
    const cut = lines.slice(0, length).map((line) => `${line}\n`).join("");
    await refused(cut, /damaged: it ends in the middle/);
    await refused(cut.slice(0, -2), /damaged: its last line is not complete/);
  }
  await refused(`${text}more\n`, /something follows its end/);
  await refused(text.replace("0001_initial.sql", "0001_other.sql"), /whose 0001_other.sql is unknown here/);
  await refused(text.replace('"table":"messages"', '"table":"pg_authid"'), /other than the server's tables/);
  await refused(text.replace('"format":2', '"format":3'), /no backup that this program can read/);
  const end = '{"end":true}';
  await refused(text.replace(end, `{"adapter":"a"}\n?\n${end}`), /an adapter in it is no base64/);
  await refused(text.replace(end, `{"adapter":"a"}\n${end}`), /an adapter in it is no base64/);
  assert.equal((await rowsOf(target.database)).accounts?.length, 0);
});

Deno.test("a database that others use too is left alone", async () => {
  await using source = await createTestDatabase();
  await using target = await createTestDatabase();
  await target.database.sql`create table recipes (name text)`;
  await using own = await source.database.connect();
  const restored = restore(target.database, { dumped: dump(own, { secret: null }), replace: true });
  await assert.rejects(restored, isUserError(/tables that are not this program's \(recipes\)/));
});

Deno.test("an existing file is not overwritten", async () => {
  await using source = await createTestDatabase();
  await inTempDir(async (dir) => {
    const path = join(dir, "backup.age");
    await Deno.writeTextFile(path, "mine");
    await assert.rejects(backUp(source, path), isUserError(/exists already/));
    assert.equal(await Deno.readTextFile(path), "mine");
    assert.equal((await Array.fromAsync(Deno.readDir(dir))).length, 1);
  });
});
