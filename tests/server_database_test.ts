/**
 * Tests that today's server opens a database written by an older one without losing a row.
 *
 * The database was written by the server of commit b7c28e0 on PostgreSQL 15 through its HTTP API, then dumped with
 * `pg_dump --inserts --no-owner --no-privileges`. The JSON file holds its tokens, the batches it was sent and its answers.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import { verifyDeviceResponseSchema } from "../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema } from "../contract/responses.ts";
import { searchResultListSchema } from "../contract/search.ts";
import { type SyncMessagesInput, syncMessagesResponseSchema } from "../contract/sync.ts";
import { type Database, openDatabase } from "../server/store/database.ts";
import { rawFragment } from "../server/store/sql.ts";
import { openStore } from "../server/store/store.ts";
import {
  createTestDatabase,
  type ServerName,
  type TestDatabase,
  testServers,
  urlOf,
} from "./support/postgres/postgres.ts";
import { type ServerAppUnderTest, startServerApp } from "./support/server/server_app.ts";
import old from "./fixtures/server_b7c28e0.json" with { type: "json" };

const DUMP = new URL("./fixtures/server_b7c28e0.sql", import.meta.url);
const batches: Record<string, SyncMessagesInput> = old.batches as never;

type Row = Record<string, unknown>;

/** A database as the old server left it, before any code of today has seen it. */
async function restoreDatabase(server: ServerName): Promise<TestDatabase> {
  const restored = await createTestDatabase(server, { migrated: false });
  // The dump changes settings of its connection, so it gets one of its own.
  await using loader = openDatabase({ ...restored.address, max: 1 });
  await loader.sql.script(await Deno.readTextFile(DUMP));
  return restored;
}

/** A row without the field that a migration adds to the figures of a finished job, which has no value there. */
function withoutNewFields(row: Row): Row {
  const text = JSON.stringify(
    row,
    (key, value) => key === "offerReason" && value === null ? undefined : value,
  );
  return JSON.parse(text);
}

/** Every row of every table but the history of the migrations. */
async function readAllRows({ sql }: Database): Promise<Map<string, Row[]>> {
  const tables = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'`;
  const rows = tables.map(async ({ name }): Promise<[string, Row[]]> => {
    const found = await sql<{ row: Row }>`select to_jsonb(t) as row from ${
      rawFragment(name)
    } t order by to_jsonb(t)`;
    return [name, found.map(({ row }) => withoutNewFields(row))];
  });
  return new Map(await Promise.all(rows));
}

/** Opens the old database as a server of today does, at the time the old one was stopped. */
async function openOldServer(
  database: TestDatabase,
  stack: AsyncDisposableStack,
): Promise<ServerAppUnderTest> {
  // The backup before the migration is written there.
  const dataDir = await Deno.makeTempDir({ prefix: "old-server-" });
  stack.defer(() => Deno.remove(dataDir, { recursive: true }));
  const store = stack.use(await openStore({ databaseUrl: urlOf(database.address), dataDir }));
  const server = stack.use(await startServerApp({ store }));
  server.clock.now = new Date(old.now);
  return server;
}

function testOldDatabase(
  sentence: string,
  test: (server: ServerAppUnderTest, database: TestDatabase) => Promise<void>,
): void {
  for (const name of servers) {
    Deno.test(`${sentence} (${name})`, async () => {
      await using stack = new AsyncDisposableStack();
      const database = stack.use(await restoreDatabase(name));
      await test(await openOldServer(database, stack), database);
    });
  }
}

const servers = await testServers();

for (const name of servers) {
  Deno.test(`migrating the database of an older server keeps every row (${name})`, async () => {
    await using stack = new AsyncDisposableStack();
    const restored = stack.use(await restoreDatabase(name));
    const before = await readAllRows(restored.database);
    assert.equal(before.size, 15);
    for (const [table, rows] of before) assert(rows.length > 0, `the fixture has rows in ${table}`);
    await openOldServer(restored, stack);
    const after = await readAllRows(restored.database);
    for (const [table, rows] of before) {
      const columns = Object.keys(rows[0] ?? {});
      const still = after.get(table)?.map((row) =>
        Object.fromEntries(columns.map((name) => [name, row[name]]))
      );
      assert.deepEqual(still, rows, table);
    }
  });
}

/** The values of JSON lines; the empty text behind the last line end stays one. */
function linesOf(text: string): unknown[] {
  return text.split("\n").map((line) => line === "" ? "" : JSON.parse(line));
}

/** The value with only those fields, at every depth, that the pattern has: fields added since then do not count. */
function withFieldsOf(value: unknown, pattern: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(pattern)) {
    return value.map((item, index) => withFieldsOf(item, pattern[index]));
  }
  if (typeof value !== "object" || typeof pattern !== "object" || value === null || pattern === null) {
    return value;
  }
  if (Array.isArray(value) !== Array.isArray(pattern)) return value;
  const old = Object.entries(pattern).filter(([name]) => Object.hasOwn(value, name));
  return Object.fromEntries(old.map(([name, field]) => [name, withFieldsOf((value as Row)[name], field)]));
}

Deno.test("an answer is compared in the fields that the old one had, at every depth", () => {
  const old = { a: 1, list: [{ b: null }] };
  assert.deepEqual(withFieldsOf({ a: 1, list: [{ b: null, added: 2 }], added: 3 }, old), old);
  for (
    const different of [{ a: 1, list: [{}] }, { a: 1, list: [{ b: null }, { b: null }] }, {
      a: 2,
      list: [{ b: null }],
    }]
  ) {
    assert.notDeepEqual(withFieldsOf(different, old), old);
  }
});

testOldDatabase("an older server's database is read with the answers of that server", async (server) => {
  const token = old.tokens.owner;
  for (const [path, answer] of Object.entries(old.answers)) {
    const response = await server.request(path, { token });
    assert.equal(response.status, 200, path);
    const [expected, found] = typeof answer === "string"
      ? [linesOf(answer), linesOf(await response.text())]
      : [answer, await response.json()];
    assert.deepEqual(withFieldsOf(found, expected), expected, path);
  }
});

testOldDatabase("an older server's tokens and pairing codes still count", async (server) => {
  const { tokens, pending } = old;
  for (const token of [tokens.owner, tokens.syncing, tokens.stranger]) {
    assert.equal((await server.request(SERVER_PATHS.currentDevice, { token })).status, 200);
  }
  const refused = { token: tokens.deactivated, status: 403, code: "device_deactivated" } as const;
  await server.refuse(SERVER_PATHS.currentDevice, refused);
  await server.refuse(SERVER_PATHS.conversations, {
    token: tokens.syncing,
    status: 403,
    code: "scope_insufficient",
  });
  // Three more wrong codes reach the limit, so the two that the old server saw are counted.
  const wrong = { deviceId: pending.deviceId, code: pending.code === "000000" ? "000001" : "000000" };
  for (let attempt = 0; attempt < 3; attempt++) {
    await server.refuse(SERVER_PATHS.verifyDevice, { body: wrong, status: 400, code: "code_invalid" });
  }
  const limited = { body: pending, address: "elsewhere", status: 429, code: "too_many_attempts" } as const;
  await server.refuse(SERVER_PATHS.verifyDevice, limited);
});

testOldDatabase("a device that an older server registered verifies itself with its code", async (server) => {
  const verified = { body: old.pending, schema: verifyDeviceResponseSchema };
  const { token } = await server.expect(SERVER_PATHS.verifyDevice, verified);
  assert.equal((await server.request(SERVER_PATHS.currentDevice, { token })).status, 200);
});

testOldDatabase(
  "an older server's messages are found, by an index whose statistics are there at once",
  async (server, { database: { sql } }) => {
    const token = old.tokens.owner;
    for (
      const [q, snippet] of [["luigi", "At Luigi's, 19:30 🍝"], ["🍝", "At Luigi's, 19:30 🍝"], [
        "hearsal",
        "Rehearsal at 7",
      ]]
    ) {
      const path = `${SERVER_PATHS.search}?q=${encodeURIComponent(q ?? "")}`;
      const { results } = await server.expect(path, { token, schema: searchResultListSchema });
      assert.deepEqual(results.map((result) => result.snippet), [snippet]);
    }
    const [{ found } = { found: false }] = await sql<{ found: boolean }>`
      select exists (select from pg_stats where tablename = 'messages' and attname = 'search_keys') as found`;
    assert.ok(found);
  },
);

testOldDatabase("a batch that an older server stored is unchanged when it is sent again", async (server) => {
  const token = old.tokens.owner;
  for (const name of ["direct", "group"]) {
    const body = batches[name];
    const { conversationId: _, ...counts } = await server.expect(SERVER_PATHS.syncMessages, {
      token,
      body,
      schema: syncMessagesResponseSchema,
    });
    assert.deepEqual(counts, { inserted: 0, updated: 0, unchanged: body?.messages.length }, name);
  }
  // What was deleted there does not come back.
  await server.expect(SERVER_PATHS.syncMessages, { token, body: batches.gone, schema: z.unknown() });
  const { conversations } = await server.expect(SERVER_PATHS.conversations, {
    token,
    schema: z.object({ conversations: z.array(z.object({ imessageId: z.string() })) }),
  });
  assert.deepEqual(
    conversations.map(({ imessageId }) => imessageId).sort(),
    [batches.direct, batches.group].map((batch) => batch?.conversationImessageId).sort(),
  );
  const body = old.contacts;
  const counts = await server.expect(SERVER_PATHS.syncContacts, { token, body, schema: z.unknown() });
  assert.deepEqual(counts, { inserted: 0, updated: 0, unchanged: body.contacts.length });
});

testOldDatabase("drafts are made with the adapter that an older server promoted", async (server) => {
  const token = old.tokens.owner;
  const { adapters } = old.answers["/api/models"];
  const promoted = adapters.find(({ state }) => state === "promoted")?.id ?? "";
  server.ml.adapters.set(promoted, "ready");
  const { messageId } = old.answers["/api/responses?pageSize=200"].responses[0] ?? {};
  const schema = generatedResponseSchema;
  const { modelVersion } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    schema,
  });
  assert.equal(modelVersion, `test-model+${promoted}`);
  const tainted = adapters.find(({ state }) => state === "tainted")?.id ?? "";
  const path = pathOf(SERVER_PATHS.promoteAdapter, { adapterId: tainted });
  await server.refuse(path, { method: "POST", token, status: 409, code: "conflict" });
});

testOldDatabase(
  "ml is sent what an older server still had in its outbox",
  async (server, { database: { sql } }) => {
    await sql`update ml_outbox set due_at = null`;
    await server.reconciler.reconcile();
    const orders = server.ml.orders.map((order) => order.replace(/(adapters|draft:).*/, "$1"));
    assert.deepEqual(orders, [
      "POST /models/adapters",
      "DELETE /cachedraft:",
      "DELETE /cachedraft:",
      "DELETE /cachedraft:",
    ]);
    const left = await sql`select kind, target, refused from ml_outbox`;
    assert.deepEqual([...left], [{
      kind: "delete_adapter",
      target: "adapter-unwanted",
      refused: "ml refuses",
    }]);
  },
);
