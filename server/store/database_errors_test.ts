/** Tests which database errors are temporary. */
import assert from "node:assert/strict";
import { sql } from "drizzle-orm";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";
import { openDatabase } from "./database.ts";
import { isDatabaseUnavailable } from "./database_errors.ts";

async function errorOf(work: PromiseLike<unknown>): Promise<unknown> {
  return await Promise.resolve(work).then(() => assert.fail("it did not fail"), (error) => error);
}

Deno.test("a server that is not there, or a pool that is closed, is a database that is unavailable", async () => {
  await using nowhere = openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing", max: 1 });
  assert.equal(isDatabaseUnavailable(await errorOf(nowhere.sql`select 1`)), true);
  assert.equal(isDatabaseUnavailable(await errorOf(nowhere.db.execute(sql`select 1`))), true);
  const folder = await Deno.makeTempDir();
  await using noSocket = openDatabase({ host: folder, user: "nobody", database: "nothing", max: 1 });
  assert.equal(isDatabaseUnavailable(await errorOf(noSocket.sql`select 1`)), true);
  await Deno.remove(folder);
  const closed = openDatabase({ url: "postgres://nobody@127.0.0.1:1/nothing" });
  await closed.close();
  assert.equal(isDatabaseUnavailable(await errorOf(closed.sql`select 1`)), true);
});

Deno.test("a connection that the server ends is an unavailable database, and later queries connect again", async () => {
  await using test = await createTestDatabase();
  await using own = openDatabase({ ...test.address, max: 1 });
  const [row] = await own.sql<{ pid: number }>`select pg_backend_pid() as pid`;
  const ended = errorOf(own.db.execute(sql`select pg_sleep(60)`));
  // Ended only once it is at work, or it would be ended between two queries.
  const atWork = () =>
    test.database.sql`select 1 from pg_stat_activity where pid = ${row?.pid ?? 0} and state = 'active'`;
  while ((await atWork()).length === 0);
  await test.database.sql`select pg_terminate_backend(${row?.pid ?? 0})`;
  assert.equal(isDatabaseUnavailable(await ended), true);
  // The pool may hand out the ended connection once more before it has seen its end.
  const later = () => own.sql`select 1 as one`.catch((error) => error);
  let answer = await later();
  while (isDatabaseUnavailable(answer)) answer = await later();
  assert.deepEqual(answer[0], { one: 1 });
});

Deno.test("a host whose every address refuses, wrapped by drizzle or not, is a database that is unavailable", () => {
  const refused = Object.assign(new Error("connect failed"), { code: "ECONNREFUSED" });
  const each = new AggregateError([new Error("no route"), refused]);
  assert.equal(isDatabaseUnavailable(new Error("Failed query", { cause: each })), true);
  const circular = new Error("itself");
  circular.cause = circular;
  assert.equal(isDatabaseUnavailable(circular), false);
});

Deno.test("of two transactions that wait for each other, one may be repeated", async () => {
  await using test = await createTestDatabase();
  const { transaction } = test.database;
  const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const lock = (mine: 0 | 1) =>
    transaction(async ({ sql: tx }) => {
      await tx`select pg_advisory_xact_lock(${mine})`;
      both[mine].resolve();
      await both[1 - mine as 0 | 1].promise;
      await tx`select pg_advisory_xact_lock(${1 - mine})`;
    });
  const results = await Promise.allSettled([lock(0), lock(1)]);
  const [failed, ...others] = results.filter((result) => result.status === "rejected");
  assert.deepEqual(others, []);
  assert.equal(isDatabaseUnavailable(failed?.reason), true);
});

Deno.test("a statement that the database refuses is not a database that is unavailable", async () => {
  await using test = await createTestDatabase();
  assert.equal(isDatabaseUnavailable(await errorOf(test.database.sql`select 1 / 0`)), false);
  assert.equal(isDatabaseUnavailable(await errorOf(test.database.db.execute(sql`select nothing`))), false);
  for (const other of [new Error("no"), "CONNECTION_CLOSED", null, undefined]) {
    assert.equal(isDatabaseUnavailable(other), false);
  }
});
