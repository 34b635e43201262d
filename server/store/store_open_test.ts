/** Tests how storage is opened: on the embedded PostgreSQL, on a given one, and beside a running server. */
import assert from "node:assert/strict";
import { UserError } from "../../lib/errors.ts";
import { createTestDatabase, urlOf } from "../../tests/support/postgres/postgres.ts";
import { newAddress, paired, START } from "../../tests/support/server/store_rows.ts";
import { joinStore, openStore } from "./store.ts";
import { MAX_REFUSED_ATTEMPTS } from "./devices/verify_limit.ts";

const PING = { timeoutMs: 10_000 };

Deno.test("without a URL the embedded PostgreSQL is used, and keeps what was stored and counted", async () => {
  const dataDir = await Deno.makeTempDir();
  const attempt = {
    deviceId: crypto.randomUUID(),
    codeHash: "a guess",
    address: newAddress(),
    tokenId: crypto.randomUUID(),
    pairing: "open",
    setupCode: "absent",
    isNetworked: false,
    isLocal: true,
    now: START,
  } as const;
  let tokenId: string;
  {
    await using store = await openStore({ dataDir, databaseUrl: null });
    assert.equal(store.postgres.embedded, true);
    assert.match(store.postgres.version, /^18\./);
    await store.ping(PING);
    tokenId = (await paired(store)).tokenId;
    for (let n = 0; n < MAX_REFUSED_ATTEMPTS; n++) await store.devices.verify(attempt);
  }
  {
    await using store = await openStore({ dataDir });
    assert.equal((await store.devices.findByToken(tokenId))?.status, "active");
    assert.equal((await store.devices.verify(attempt)).outcome, "rate_limited");
  }
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a command joins the PostgreSQL of a running server, and starts one where none runs", async () => {
  const dataDir = await Deno.makeTempDir();
  {
    await using alone = await joinStore({ dataDir });
    assert.equal(await alone.devices.isClaimed(), false);
  }
  {
    await using server = await openStore({ dataDir });
    const { tokenId } = await paired(server);
    {
      await using joined = await joinStore({ dataDir });
      assert.equal((await joined.devices.findByToken(tokenId))?.status, "active");
    }
    await server.ping(PING);
  }
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a URL is used as it is given", async () => {
  await using empty = await createTestDatabase("embedded", { migrated: false });
  await using store = await openStore({ databaseUrl: urlOf(empty.address), dataDir: "/nowhere" });
  assert.equal(store.postgres.embedded, false);
  await paired(store);
  const [row] = await empty.database.sql`select count(*)::int as devices from devices`;
  assert.equal(row?.devices, 1);
});

Deno.test("the error of a URL that does not work leaves out its password", async () => {
  await using test = await createTestDatabase();
  const noDatabase = new URL(urlOf(test.address));
  noDatabase.pathname = "/no_such_database";
  const faults = [
    ["postgres://me:hidden@127.0.0.1:1/db", /cannot be reached \(.*ECONNREFUSED/],
    [noDatabase.href, /cannot be used \(database "no_such_database" does not exist\)/],
  ] as const;
  for (const [databaseUrl, sentence] of faults) {
    await assert.rejects(openStore({ databaseUrl, dataDir: "/nowhere" }), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, sentence);
      assert.doesNotMatch(error.message, /hidden/);
      return true;
    });
  }
});

Deno.test("a ping fails once the pool is closed", async () => {
  await using test = await createTestDatabase();
  const store = await openStore({ databaseUrl: urlOf(test.address), dataDir: "/nowhere" });
  await store[Symbol.asyncDispose]();
  await assert.rejects(store.ping(PING));
});
