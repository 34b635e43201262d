/** Tests that the job queue on Deno KV passes the conformance suite, and its own promises about notifications, records and files. */
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { createKvStore, type KvStore } from "../../tests/support/jobs/kv_store.ts";
import type { SuiteTasks } from "../../tests/support/jobs/job_queue_process.ts";
import { catchUp, finished, untilState } from "../../tests/support/jobs/job_queue_store.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { testJobQueue } from "../../tests/suites/jobs/job_queue_suite.ts";
import { ApiError } from "../errors.ts";
import { type JobRecord, started } from "./record.ts";

testJobQueue(createKvStore);

/** A text of more than 64 KiB, and one that fits into a record, both with a mark that must not leak. */
const SECRET = "my door code is 4711";
const LARGE_SECRET = `${SECRET} `.repeat(4_000);

const echo = { work: (payload: SuiteTasks["work"]["payload"]) => payload, ping: () => null };

async function filesUnder(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      const path = join(directory, entry.name);
      names.push(...entry.isDirectory ? await filesUnder(path) : [path]);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

/** Leaves a body in a file, as earlier versions stored large ones. */
async function writeBodyFile(
  store: KvStore,
  file: { id: string; name: string; text: string },
): Promise<void> {
  const folder = join(store.directory, "suite", file.id);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, file.name), file.text);
}

/** All that KV holds for the suite's queue. */
function keysOf(store: KvStore, ...part: Deno.KvKey): Promise<Deno.KvKey[]> {
  return Array.fromAsync(store.kv.list({ prefix: ["jobs", "suite", ...part] }), ({ key }) => key);
}

Deno.test("what earlier versions left in KV's own queue and indexes starts nothing, and the indexes go", async () => {
  await using store = await createKvStore();
  const attempts: number[] = [];
  const work = (_: unknown, { attempt }: { attempt: number }) => {
    attempts.push(attempt);
    return {};
  };
  // deno-lint-ignore style/language -- a message that earlier versions wrote
  for (const odd of [null, "suite", {}, { jobBell: "suite" }, { wakeQueue: "suite" }, { wakeQueue: 7 }]) {
    await store.kv.enqueue(odd);
  }
  await store.kv.set(["jobs", "suite", "queued", 1, 0, "gone"], { task: "work", state: "queued" });
  await store.kv.set(["jobs", "suite", "running", "gone"], { task: "work", state: "running" });
  const queue = await store.open();
  queue.listen({ work, ping: () => null }, { concurrency: 3 });
  const { id } = await queue.enqueue("work", {});
  await finished(queue, id);
  await catchUp(queue);
  assert.deepEqual(attempts, [1]);
  assert.deepEqual([...await keysOf(store, "queued"), ...await keysOf(store, "running")], []);
});

Deno.test("a job that another part of the process added starts by itself", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  queue.listen(echo, { concurrency: 1 });
  await catchUp(queue);
  const { id } = await (await store.open({ clock })).enqueue("work", { n: 3 });
  assert.deepEqual((await finished(queue, id)).result, { n: 3 });
});

Deno.test("a record that cannot be read is skipped with a log line, once, and expires", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const before = await store.open({ clock });
  for (const id of ["damaged", "later", "lost", "sound"]) await before.enqueue("work", { n: 1 }, { id });
  await store.kv.set(["jobs", "suite", "record", "damaged"], { version: 99, id: "damaged", text: SECRET });
  const later = { version: 99, id: "later", enqueuedAt: clock.now() };
  await store.kv.set(["jobs", "suite", "record", "later"], later);
  await store.kv.delete(["jobs", "suite", "record", "lost"]);
  await store.close();
  const queue = await store.open({ clock });
  queue.listen(echo, { concurrency: 1 });
  assert.equal((await finished(queue, "sound")).state, "completed");
  for (let n = 0; n < 5; n++) await catchUp(queue);
  const skipped = store.lines.filter((line) => line.includes("cannot be read"));
  assert.equal(skipped.length, 2);
  assert.ok(skipped[0]?.includes('"jobId":"damaged"'));
  assert.equal(await queue.get("damaged"), null);
  await assert.rejects(queue.enqueue("work", {}, { id: "later" }), { code: "job_exists" });
  assert.deepEqual((await store.kv.get(["jobs", "suite", "record", "later"])).value, later);
  await queue.stop();

  clock.advance(8 * 24 * 3_600_000);
  const other = await store.open({ clock });
  other.listen(echo, { concurrency: 1 });
  await other.stop();
  assert.deepEqual(await keysOf(store), []);
});

Deno.test("large bodies lie in parts beside their record and go when they are not needed any more", async () => {
  await using store = await createKvStore();
  const queue = await store.open();
  // More than one commit of KV takes, as the longest prompt is.
  const text = LARGE_SECRET.repeat(20);
  const { id } = await queue.enqueue("work", { text });
  const parts = Math.ceil(JSON.stringify({ text }).length / (64 * 1024));
  assert.ok(parts > 20);
  assert.equal((await keysOf(store, "payload")).length, parts);
  queue.listen(echo, { concurrency: 1 });
  assert.deepEqual((await finished(queue, id)).result, { text });
  assert.deepEqual(await keysOf(store, "payload"), []);
  assert.equal((await keysOf(store, "result")).length, parts);
  await store.close();
  const next = await store.open();
  assert.deepEqual((await next.get(id))?.result, { text });
  await next.remove(id);
  assert.deepEqual(await filesUnder(store.directory), []);
  assert.deepEqual(await keysOf(store), []);
});

Deno.test("a result takes the place of a longer one that a killed process had begun to store", async () => {
  await using store = await createKvStore();
  const { id } = await (await store.open()).enqueue("work", { text: SECRET });
  const part = new TextEncoder().encode(SECRET);
  for (let n = 10; n < 15; n++) await store.kv.set(["jobs", "suite", "result", id, n], part);
  await store.close();
  const queue = await store.open();
  queue.listen(echo, { concurrency: 1 });
  assert.deepEqual((await finished(queue, id)).result, { text: SECRET });
  assert.equal((await keysOf(store, "result")).length, 1);
});

Deno.test("no payload outlives its job: completed, failed, cancelled and refused ones leave none", async () => {
  await using store = await createKvStore();
  const queue = await store.open();
  const texts = [SECRET, LARGE_SECRET];
  for (const [n, text] of texts.entries()) {
    await queue.enqueue("work", { text }, { id: `cancelled-${n}` });
    await queue.cancel(`cancelled-${n}`);
    await assert.rejects(queue.enqueue("work", { text }, { id: `cancelled-${n}` }), { code: "job_exists" });
  }
  const work = ({ n }: { n?: number }) => {
    if (n === 0) throw new Error("refused");
    return {};
  };
  queue.listen({ work, ping: () => null }, { concurrency: 1 });
  for (const text of texts) {
    for (const n of [0, 1]) {
      await finished(queue, (await queue.enqueue("work", { n, text }, { maxAttempts: 1 })).id);
    }
  }
  await queue.stop();
  assert.deepEqual(await filesUnder(store.directory), []);
  assert.deepEqual(await keysOf(store, "payload"), []);
  assert.deepEqual(await keysOf(store, "staged"), []);
  assert.ok(store.lines.length > 0);
  assert.ok(!store.lines.some((line) => line.includes(SECRET)));
});

Deno.test("parts and files whose record never came are removed at the next start, others are not", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  const stored = await queue.enqueue("work", { text: LARGE_SECRET }, { runAt: clock.now() + 24 * 3_600_000 });
  const payload = await keysOf(store, "payload");
  assert.equal(payload.length, 2);
  // As a process does that ends between storing a part and committing the record, and as earlier versions did.
  await store.kv.set(["jobs", "suite", "payload", "orphan", 10], new Uint8Array(60_000));
  await store.kv.set(["jobs", "suite", "staged", 1, "payload-1.json", "orphan"], null);
  await writeBodyFile(store, { id: "orphan", name: "payload-1.json", text: LARGE_SECRET });
  await writeBodyFile(store, { id: stored.id, name: "result-1.json", text: LARGE_SECRET });
  await store.close();
  const next = await store.open({ clock });
  assert.deepEqual(await keysOf(store, "payload"), payload);
  assert.deepEqual(await keysOf(store, "staged"), []);
  const [file = "", ...others] = await filesUnder(store.directory);
  assert.deepEqual(others, []);
  assert.ok(file.includes(stored.id));
  await next.cancel(stored.id);
  assert.deepEqual(await filesUnder(store.directory), []);
});

Deno.test("a payload that is gone or damaged, in KV or in a file of before, fails its job with a sentence that quotes nothing", async () => {
  await using store = await createKvStore();
  const before = await store.open();
  const ids = ["body_missing", "body_missing-file", "body_corrupt", "body_corrupt-file"];
  for (const id of ids) await before.enqueue("work", { text: SECRET }, { id });
  for (const id of ids.filter((id) => id.endsWith("-file"))) {
    const key = ["jobs", "suite", "record", id];
    const { value } = await store.kv.get<JobRecord>(key);
    await store.kv.set(key, { ...value, payload: { kind: "file", name: "payload-1.json" } });
  }
  const damaged = `{"text":${SECRET}`;
  await store.kv.delete(["jobs", "suite", "payload", "body_missing"]);
  await store.kv.set(["jobs", "suite", "payload", "body_corrupt"], new TextEncoder().encode(damaged));
  await writeBodyFile(store, { id: "body_corrupt-file", name: "payload-1.json", text: damaged });
  await store.close();
  const queue = await store.open();
  queue.listen(echo, { concurrency: 1 });
  for (const id of ids) {
    const job = await finished(queue, id);
    assert.equal(job.state, "failed");
    assert.equal(job.error?.code, id.replace("-file", ""));
    assert.ok(!job.error?.message.includes("4711"));
  }
});

Deno.test("a check leaves alone what runs in its own process, however long the machine slept", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  const { id } = await queue.enqueue("work", {});
  const finish = Promise.withResolvers<void>();
  const work = async () => {
    await finish.promise;
    return {};
  };
  queue.listen({ work, ping: () => null }, { concurrency: 2 });
  await untilState(queue, { id, state: "running" });
  clock.advance(3_600_000);
  await catchUp(queue);
  const other = await store.open({ clock, retentionMs: 1 });
  other.listen(echo, { concurrency: 1 });
  await other.stop();
  assert.equal((await queue.get(id))?.state, "running");
  finish.resolve();
  const job = await finished(queue, id);
  assert.equal(job.state, "completed");
  assert.equal(job.attempts, 1);
});

Deno.test("what was running when its process ended starts when the queue listens, at once, and runs once", async () => {
  await using store = await createKvStore();
  const before = await store.open({ clock: new FakeClock() });
  const attempts: number[] = [];
  for (const id of ["first", "second", "last"]) await before.enqueue("work", {}, { id, maxAttempts: 2 });
  await startAndForget(store, "second");
  await startAndForget(store, "last");
  const queue = await store.open({ clock: new FakeClock() });
  const work = (_: unknown, { attempt }: { attempt: number }) => {
    attempts.push(attempt);
    return {};
  };
  // The clock stands still: nothing here waits for a time.
  queue.listen({ work, ping: () => null }, { concurrency: 1 });
  for (const id of ["first", "second", "last"]) assert.equal((await finished(queue, id)).state, "completed");
  assert.deepEqual(attempts, [1, 2, 2]);
});

/** A store whose process was killed at work; written at commit b7c28e0, when a lease marked running jobs. */
const STORE_WITH_LEASES = new URL("../../tests/fixtures/job_queue_with_leases", import.meta.url);

Deno.test("a store of the version with leases is taken over: what waited or ran is run, what ended can be read", async () => {
  const folder = await Deno.makeTempDir({ prefix: "job_queue_" });
  await cp(STORE_WITH_LEASES, folder, { recursive: true });
  await using store = await createKvStore(folder);
  const queue = await store.open();
  const large = { text: "語".repeat(12_000) };
  const stats = { queued: 4, running: 2, completed: 2, failed: 1, cancelled: 1 };
  assert.deepEqual(await queue.stats(), stats);
  const started: string[] = [];
  const work = (payload: SuiteTasks["work"]["payload"], { id, attempt }: { id: string; attempt: number }) => {
    started.push(`${id} ${attempt}`);
    return payload;
  };
  queue.listen({ work, ping: () => null }, { concurrency: 1 });
  assert.deepEqual((await finished(queue, "running")).result, { text: "hold" });
  assert.deepEqual((await finished(queue, "running-second")).result, { text: "hold", n: 2 });
  assert.deepEqual((await finished(queue, "queued")).result, { text: "wait-for-me" });
  assert.deepEqual((await finished(queue, "queued-large")).result, large);
  assert.deepEqual((await finished(queue, "retried")).result, { text: "again" });
  assert.deepEqual(started.sort(), [
    "queued 1",
    "queued-large 1",
    "retried 3",
    "running 2",
    "running-second 2",
  ]);
  assert.equal((await queue.get("later"))?.dueAt, Date.UTC(2100, 0, 1));
  const ended = await Promise.all(
    ["completed", "completed-large", "failed", "cancelled"].map((id) => queue.get(id)),
  );
  assert.deepEqual(ended.map((job) => job?.state), ["completed", "completed", "failed", "cancelled"]);
  assert.deepEqual(ended.map((job) => job?.result), [{ n: 1 }, large, undefined, undefined]);
  assert.equal(ended[2]?.error?.message, "refused");
  assert.ok(ended.every((job) => job !== null && !("lease" in job) && !("run" in job)));
  await queue.stop();
  assert.ok(!(await filesUnder(store.directory)).some((file) => file.includes("orphan")));
  assert.deepEqual(await keysOf(store, "staged"), []);
  await assertComplete(store.kv);
});

Deno.test("whatever is done to jobs in whatever order, KV holds their records, the bodies that these name, and nothing else", async () => {
  const step = fc.record({
    verb: fc.constantFrom("enqueue", "cancel", "remove", "run", "crash", "expire"),
    job: fc.integer({ min: 0, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await using store = await createKvStore();
      const clock = new FakeClock();
      for (const { verb, job } of steps) await take(store, { verb, id: `job-${job}`, clock });
      await store.open();
      await assertComplete(store.kv);
    }),
    { numRuns: 30 },
  );
});

async function take(store: KvStore, step: { verb: string; id: string; clock: FakeClock }): Promise<void> {
  const { verb, id, clock } = step;
  const queue = await store.open({ clock });
  if (verb === "enqueue") await queue.enqueue("work", { n: 1 }, { id }).catch(ignoreTaken);
  if (verb === "cancel") await queue.cancel(id);
  if (verb === "remove") await queue.remove(id);
  if (verb === "crash") return await startAndForget(store, id);
  if (verb === "expire") clock.advance(24 * 3_600_000);
  if (verb === "run" || verb === "expire") {
    const fails = { work: () => Promise.reject(new Error("refused")), ping: () => null };
    queue.listen(id.endsWith("1") ? fails : echo, { concurrency: 2 });
    await catchUp(queue);
  }
  await queue.stop();
}

function ignoreTaken(error: unknown): void {
  if (!(error instanceof ApiError && error.code === "job_exists")) throw error;
}

/** Leaves a queued job as a process does that dies right after it started it. */
async function startAndForget(store: KvStore, id: string): Promise<void> {
  await store.open();
  const key = ["jobs", "suite", "record", id];
  const record = (await store.kv.get<JobRecord>(key)).value;
  const next = record && started(record, { run: "dead", now: record.dueAt });
  if (next !== null) await store.kv.set(key, next);
  await store.close();
}

/** KV holds a record for each job, the small bodies that records name, and nothing else. */
async function assertComplete(kv: Deno.Kv): Promise<void> {
  const expected: Deno.KvKey[] = [];
  for await (const { key, value } of kv.list<JobRecord>({ prefix: ["jobs", "suite", "record"] })) {
    expected.push(key);
    for (const name of ["payload", "result"] as const) {
      if (value[name].kind === "inline") expected.push(["jobs", "suite", name, value.id]);
    }
  }
  const stored = await Array.fromAsync(kv.list({ prefix: ["jobs", "suite"] }), ({ key }) => key);
  const setOf = (all: Deno.KvKey[]) => new Set(all.map((key) => JSON.stringify(key)));
  assert.deepEqual(setOf(stored), setOf(expected));
}
