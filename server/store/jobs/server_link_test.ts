/** Tests what servers of one database know of each other, also when their connections are lost, and what they share. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { moveJobs } from "../../../lib/jobs/job_table.ts";
import { silentLogger } from "../../../lib/log.ts";
import { createKvStore } from "../../../tests/support/jobs/kv_store.ts";
import { finished, soon } from "../../../tests/support/jobs/job_queue_store.ts";
import { createPgStore } from "../../../tests/support/jobs/pg_store.ts";
import { createTestDatabase, type TestDatabase } from "../../../tests/support/postgres/postgres.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { loadSecret } from "../../auth/secret.ts";
import { type Topic, whileSignedIn } from "./announcements.ts";
import { ServerLink } from "./server_link.ts";

const log = silentLogger();

function next(link: ServerLink, topic: Topic): Promise<string> {
  return soon(new Promise((resolve) => link.on(topic, resolve)));
}

/** Ends the connections on which servers listen, as a restart of PostgreSQL does. */
async function breakLinks({ database: { sql } }: TestDatabase): Promise<void> {
  await sql`select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and d.datname = current_database() and l.pid <> pg_backend_pid()`;
}

Deno.test("servers of one database hear each other, see who lives, and have one leader, until that ends", async () => {
  await using home = await createTestDatabase();
  const first = await ServerLink.open(home.database, { log });
  await using second = await ServerLink.open(home.database, { log });
  const heard = next(second, "draft_cancelled");
  await first.announce({ topic: "draft_cancelled", text: "a draft with spaces" });
  assert.equal(await heard, "a draft with spaces");
  assert.deepEqual([await second.isAlive(first.id), await first.isAlive(second.id)], [true, true]);
  assert.equal(await second.isAlive(crypto.randomUUID()), false);
  assert.deepEqual([await first.leads("work"), await second.leads("work")], [true, false]);
  assert.deepEqual([await first.leads("work"), await second.leads("other work")], [true, true]);
  await first[Symbol.asyncDispose]();
  assert.equal(await second.isAlive(first.id), false);
  assert.equal(await second.leads("work"), true);
});

Deno.test("a link that is lost is made again: its server lives, and hears that it may have missed something", async () => {
  await using home = await createTestDatabase();
  await using first = await ServerLink.open(home.database, { log });
  await using second = await ServerLink.open(home.database, { log });
  assert.equal(await first.leads("work"), true);
  const missed = [next(first, "missed"), next(second, "missed")];
  await breakLinks(home);
  await Promise.all(missed);
  assert.deepEqual([await second.isAlive(first.id), await first.isAlive(second.id)], [true, true]);
  assert.deepEqual([await second.leads("work"), await first.leads("work")], [true, false]);
  const heard = next(first, "outbox");
  await second.announce({ topic: "outbox", text: "" });
  await heard;
});

Deno.test("what a device shut out, or a browser signed out, at one server has open at another ends, and nobody else's", async () => {
  await using home = await createTestDatabase();
  await using first = await ServerLink.open(home.database, { log });
  await using second = await ServerLink.open(home.database, { log });
  const { signal } = new AbortController();
  const holders = [{ deviceId: "one" }, { deviceId: "two" }, { deviceId: "two", sessionHash: "hash" }];
  const sessions = { isSignedIn: () => Promise.resolve(true) };
  const options = { announcements: second, sessions };
  const signals = await Promise.all(holders.map((holder) => whileSignedIn(options, { holder, signal })));
  const aborted = () => signals.map(({ aborted }) => aborted);
  const heard = next(second, "device_deactivated");
  await first.announce({ topic: "device_deactivated", text: "one" });
  await heard;
  assert.deepEqual(aborted(), [true, false, false]);
  const left = next(second, "session_ended");
  await first.announce({ topic: "session_ended", text: "hash" });
  await left;
  assert.deepEqual(aborted(), [true, false, true]);
});

Deno.test("a server hears what it says itself once, at once, and what is said in a transaction when that is committed", async () => {
  await using home = await createTestDatabase();
  await using link = await ServerLink.open(home.database, { log });
  const heard: string[] = [];
  link.on("outbox", (text) => heard.push(text));
  await link.announce({ topic: "outbox", text: "alone" });
  assert.deepEqual(heard, ["alone"]);
  const committed = next(link, "outbox");
  await home.database.transaction(({ sql }) => link.announce({ topic: "outbox", text: "committed" }, sql));
  await committed;
  assert.deepEqual(heard, ["alone", "committed"]);
});

Deno.test("servers of one database sign with one secret: that of the folder that came first", async () => {
  await using home = await createTestDatabase();
  const share = home.stores.sharedSecret;
  await inTempDir(async (dataDir) => {
    const own = await loadSecret({ configured: null, dataDir: join(dataDir, "old") });
    const first = await loadSecret({ configured: null, dataDir: join(dataDir, "old"), share });
    assert.deepEqual(first, own);
    const others = ["new", "other"].map((name) =>
      loadSecret({ configured: null, dataDir: join(dataDir, name), share })
    );
    assert.deepEqual(await Promise.all(others), [own, own]);
    await loadSecret({ configured: null, dataDir: join(dataDir, "third") });
    assert.deepEqual(await loadSecret({ configured: null, dataDir: join(dataDir, "third"), share }), own);
    const configured = await loadSecret({ configured: "of the environment", dataDir, share });
    assert.equal(new TextDecoder().decode(configured), "of the environment");
  });
});

Deno.test("jobs that waited in a server's folder move to the database, and run there once", async () => {
  await using folder = await createKvStore();
  await using store = await createPgStore("embedded");
  const before = await folder.open();
  const texts = ["small", "large ".repeat(20_000)];
  for (const text of texts) await before.enqueue("work", { text }, { id: text.slice(0, 5) });
  await before.enqueue("work", { n: 1 }, { id: "ended" });
  await before.cancel("ended");
  const queue = await store.open();
  assert.ok(store.shared !== null);
  const from = await folder.jobTable("suite");
  assert.equal(await moveJobs(from, store.shared.jobTable("suite")), 2);
  assert.equal(await moveJobs(from, store.shared.jobTable("suite")), 0);
  assert.deepEqual(await before.stats(), { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 1 });
  queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
  for (const text of texts) {
    assert.deepEqual((await finished(queue, text.slice(0, 5))).result, { text });
  }
});
