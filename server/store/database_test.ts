/** Tests where URLs connect to, transactions and connections that break, and the order of new ids. */
import assert from "node:assert/strict";
// @ts-types="@types/pg"
import pg from "pg";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";
import { batch, message, paired } from "../../tests/support/server/store_rows.ts";
import { type Connection, connectionConfigOf, newId, openDatabase } from "./database.ts";
import { isDatabaseUnavailable } from "./database_errors.ts";
import { createStores } from "./store.ts";

/** Where the driver would connect to. */
function placeOf(url: string) {
  const { host, port, user, database, ssl } = new pg.Client(connectionConfigOf({ url }));
  return { host, port, user, database, ssl };
}

Deno.test("a URL names host, port, user and database, and is encrypted as it says", () => {
  const place = { host: "db.example", port: 5433, user: "me", database: "app" };
  const url = "postgres://me:p%40ss@db.example:5433/app?application_name=x";
  assert.deepEqual(placeOf(url), { ...place, ssl: false });
  // As libpq has it: `require` encrypts, and trusts whatever certificate there is.
  assert.deepEqual(placeOf(`${url}&sslmode=require`), { ...place, ssl: { rejectUnauthorized: false } });
  assert.deepEqual(placeOf(`${url}&sslmode=disable`), { ...place, ssl: false });
});

Deno.test("a host and a port in the query say where to connect, and the rest of the query stays", () => {
  const { host, port, database } = placeOf(
    "postgres://me@localhost/app?host=/var/run/postgresql&port=5433&sslmode=disable",
  );
  assert.deepEqual({ host, port, database }, { host: "/var/run/postgresql", port: 5433, database: "app" });
  const folder = placeOf("postgresql:///app?host=/tmp");
  assert.deepEqual([folder.host, folder.port, folder.database], ["/tmp", 5432, "app"]);
});

Deno.test("a transaction is kept when its work returns, and leaves nothing when it throws", async () => {
  await using test = await createTestDatabase();
  const { transaction, sql } = test.database;
  await sql.script("create table marks (mark text)");
  const kept = await transaction(async ({ sql: tx }) => (await tx`insert into marks values ('kept')`).count);
  assert.equal(kept, 1);
  const failing = transaction(async ({ sql: tx }) => {
    await tx`insert into marks values ('undone')`;
    throw new Error("the work failed");
  });
  await assert.rejects(failing, /the work failed/);
  assert.deepEqual([...await sql`select mark from marks`], [{ mark: "kept" }]);
});

Deno.test("a transaction whose statement failed is never taken for a stored one", async () => {
  await using test = await createTestDatabase();
  const { transaction, sql } = test.database;
  await sql.script("create table marks (mark text)");
  const careless = transaction(async ({ sql: tx }) => {
    await tx`insert into marks values ('lost')`;
    await tx`select 1 / 0`.catch(() => {});
  });
  await assert.rejects(careless, /rolled back/);
  assert.deepEqual([...await sql`select mark from marks`], []);
});

Deno.test("connections that are ended, before or in a transaction, leave the pool its places", async () => {
  await using test = await createTestDatabase();
  await using own = openDatabase({ ...test.address, max: 1 });
  const endAll = () =>
    test.database.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = ${test.address.database} and pid <> pg_backend_pid()`;
  const pid = ({ sql }: Connection) => sql`select pg_backend_pid()`;
  await pid(own);
  for (let round = 0; round < 3; round++) {
    await endAll();
    // Its first statement may meet the ended connection, or already a new one.
    await own.transaction(pid).catch((error) => assert.ok(isDatabaseUnavailable(error), error));
    const cut = own.transaction(async (tx) => {
      await pid(tx);
      await endAll();
      await pid(tx);
    });
    await assert.rejects(cut, isDatabaseUnavailable);
    await own.transaction(pid);
    await pid(own);
  }
});

for (
  const [what, limits] of [
    ["PostgreSQL cancels", { statementTimeoutMs: 100 }],
    ["has no answer", { statementTimeoutMs: 0, queryTimeoutMs: 100 }],
  ] as const
) {
  Deno.test(`a statement that ${what} in time is an unavailable database, and holds no connection`, async () => {
    await using test = await createTestDatabase();
    await using own = openDatabase({ ...test.address, max: 1, ...limits });
    const hang = ({ sql }: Connection) => sql`select pg_sleep(600)`;
    await assert.rejects(hang(own), isDatabaseUnavailable);
    await assert.rejects(own.transaction(hang), isDatabaseUnavailable);
    assert.deepEqual([...await own.sql`select 1 as one`], [{ one: 1 }]);
  });
}

Deno.test("a transaction with a limit of its own may take longer than the pool's, which holds again behind it", async () => {
  await using test = await createTestDatabase();
  const limits = { statementTimeoutMs: 200, queryTimeoutMs: 200 };
  await using own = openDatabase({ ...test.address, max: 1, ...limits });
  const sleep = ({ sql }: Connection) => sql`select pg_sleep(0.5)`;
  await own.transaction(sleep, { timeoutMs: 60_000 });
  await assert.rejects(own.transaction(sleep), isDatabaseUnavailable);
});

Deno.test("times are read the same whatever zone and date style the database has set", async () => {
  await using test = await createTestDatabase();
  const { database, stores } = test;
  await database.sql.script(`alter database ${test.address.database} set timezone = 'Europe/Amsterdam';
    alter database ${test.address.database} set datestyle = 'German'`);
  await using later = openDatabase(test.address);
  const origin = await paired(stores);
  // Amsterdam was 19 minutes and 32 seconds ahead of UTC then.
  const sentAt = "1880-07-04T05:06:07.089Z";
  const { conversationId } = await stores.ingest.ingestMessages(origin, batch([message("old", { sentAt })]));
  const found = await createStores(later).conversations.find(origin.accountId, conversationId);
  assert.equal(found?.lastMessageAt?.toISOString(), sentAt);
});

Deno.test("a connection of one's own hears notifications, and its end", async () => {
  await using test = await createTestDatabase();
  await using own = await test.database.connect();
  const heard = Promise.withResolvers<string | undefined>();
  own.client.on("notification", ({ payload }) => heard.resolve(payload));
  await own.sql.script("listen drafts");
  await test.database.sql`select pg_notify('drafts', 'one is done')`;
  assert.equal(await heard.promise, "one is done");
  const ended = new Promise<void>((resolve) => own.client.once("end", resolve));
  const [row] = await own.sql`select pg_backend_pid() as pid`;
  await test.database.sql`select pg_terminate_backend(${row?.pid}::int)`;
  await ended;
});

Deno.test("an id is a UUID of version 7 that carries the present time", () => {
  const before = Date.now();
  const id = newId();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const time = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  assert(time >= before && time <= Date.now());
});

Deno.test("ids do not repeat, and all their random bits vary", () => {
  const ids = Array.from({ length: 20_000 }, newId);
  assert.equal(new Set(ids).size, ids.length);
  const bits = ids.map((id) => BigInt(`0x${id.replaceAll("-", "")}`));
  const everSet = bits.reduce((all, one) => all | one, 0n);
  const alwaysSet = bits.reduce((all, one) => all & one);
  // RFC 9562 section 5.7: below the version come 12 random bits, below the variant 62.
  const random = (0xfffn << 64n) | ((1n << 62n) - 1n);
  assert.equal(everSet & random, random);
  assert.equal(alwaysSet & random, 0n);
});
