// The job queue on Deno KV passes the conformance suite, and keeps its own promises about bells, records and files.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { JobQueueProcess, type SuiteTasks } from "../../tests/support/jobs/job_queue_process.ts";
import {
  catchUp,
  finished,
  type JobQueueStore,
  soon,
  untilState,
} from "../../tests/support/jobs/job_queue_store.ts";
import { testJobQueue } from "../../tests/suites/jobs/job_queue_suite.ts";
import { ApiError } from "../errors.ts";
import { JobBodies } from "./bodies.ts";
import { bellFor, onBell } from "./notification.ts";
import { JobIndex } from "./index_queries.ts";
import { JobLedger } from "./store.ts";
import type { JobQueue, JobQueueOptions, TaskMap } from "./job_queue.ts";
import { KvJobQueue } from "./kv_job_queue.ts";
import { JobKeys, type JobRecord } from "./record.ts";
import { JobRunner } from "./runner.ts";
import { JobSweeper } from "./sweeper.ts";
import { claimed } from "./transitions.ts";
import { createLogger } from "../log.ts";

interface KvStore extends JobQueueStore {
  kv: Deno.Kv;
  directory: string;
  /** All log lines of the queues in this process. */
  lines: string[];
}

async function createKvStore(): Promise<KvStore> {
  const directory = await Deno.makeTempDir({ prefix: "job_queue_" });
  const path = join(directory, "queue.kv");
  const kv = await Deno.openKv(path);
  const lines: string[] = [];
  const log = createLogger({ level: "debug", pretty: false, write: (line) => lines.push(line) });
  const handles = [kv];
  const stops: (() => Promise<void>)[] = [];
  const children: JobQueueProcess[] = [];
  const jobs = join(directory, "jobs");

  function openOn<Tasks extends TaskMap<Tasks>>(
    on: Deno.Kv,
    options: Partial<JobQueueOptions>,
  ): JobQueue<Tasks> {
    const queue = new KvJobQueue<Tasks>({ kv: on, directory: jobs, name: "suite", log, ...options });
    stops.push(() => queue.stop());
    return queue;
  }

  return {
    kv,
    directory: jobs,
    lines,
    async open(options = {}) {
      if (stops.length === 0) return openOn(kv, options);
      const handle = await Deno.openKv(path);
      handles.push(handle);
      return openOn(handle, options);
    },
    openBeside: (options) => openOn(kv, options),
    spawn(work, times = {}) {
      const child = new JobQueueProcess({
        ...work,
        kvPath: path,
        directory: jobs,
        options: { name: "suite", ...times },
      });
      children.push(child);
      return child;
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await child[Symbol.asyncDispose]();
      for (const stop of stops) await soon(stop());
      for (const handle of handles) handle.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

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

/** All that KV holds for the suite's queue. */
function keysOf(store: KvStore, ...part: Deno.KvKey): Promise<Deno.KvKey[]> {
  return Array.fromAsync(store.kv.list({ prefix: ["jobs", "suite", ...part] }), ({ key }) => key);
}

Deno.test("bells that ring twice, late, or for nobody start nothing twice", async () => {
  await using store = await createKvStore();
  const queue = await store.open();
  const attempts: number[] = [];
  const finish = Promise.withResolvers<void>();
  const work = async (_: unknown, { attempt }: { attempt: number }) => {
    attempts.push(attempt);
    await finish.promise;
    return {};
  };
  queue.listen({ work, ping: () => null }, { concurrency: 3 });
  const { id } = await queue.enqueue("work", {});
  const ring = async () => {
    for (let n = 0; n < 20; n++) await store.kv.enqueue(bellFor("suite"));
    for (const odd of [null, "suite", {}, { jobBell: 7 }, bellFor("nobody")]) await store.kv.enqueue(odd);
  };
  await ring();
  await catchUp(queue);
  finish.resolve();
  await finished(queue, id);
  await ring();
  await heardBell(store.kv);
  await catchUp(queue);
  assert.deepEqual(attempts, [1]);
});

/** Resolves when all bells rung before have been heard: messages come in order. */
async function heardBell(kv: Deno.Kv): Promise<void> {
  const heard = Promise.withResolvers<void>();
  const off = onBell(kv, { queue: "last", log: createLogger({ write: () => {} }), ring: heard.resolve });
  await kv.enqueue(bellFor("last"));
  await soon(heard.promise);
  off();
}

Deno.test("the bell alone starts a job that another part of the process added", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  queue.listen(echo, { concurrency: 1 });
  await catchUp(queue);
  const { id } = await store.openBeside({ clock }).enqueue("work", { n: 3 });
  assert.deepEqual((await finished(queue, id)).result, { n: 3 });
});

Deno.test("a record that cannot be read is skipped with a log line, once, and expires", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  await queue.enqueue("work", {}, { id: "damaged" });
  await queue.enqueue("work", {}, { id: "lost" });
  await queue.enqueue("work", { n: 1 }, { id: "sound" });
  await store.kv.set(["jobs", "suite", "record", "damaged"], { version: 99, id: "damaged", text: SECRET });
  await store.kv.delete(["jobs", "suite", "record", "lost"]);
  queue.listen(echo, { concurrency: 1 });
  assert.equal((await finished(queue, "sound")).state, "completed");
  for (let n = 0; n < 5; n++) await catchUp(queue);
  const skipped = store.lines.filter((line) => line.includes("cannot be read"));
  assert.equal(skipped.length, 1);
  assert.ok(skipped[0]?.includes('"jobId":"damaged"'));
  assert.equal(await queue.get("damaged"), null);
  await queue.stop();

  clock.advance(8 * 24 * 3_600_000);
  const sweeper = store.openBeside({ clock });
  sweeper.listen(echo, { concurrency: 1 });
  await sweeper.stop();
  assert.deepEqual(await keysOf(store), []);
});

Deno.test("large bodies lie in private files of their job and go when they are needed no more", async () => {
  await using store = await createKvStore();
  const queue = await store.open();
  const { id } = await queue.enqueue("work", { text: LARGE_SECRET });
  const [payloadFile = "", ...others] = await filesUnder(store.directory);
  assert.deepEqual(others, []);
  assert.ok(payloadFile.startsWith(join(store.directory, "suite", id, "payload-")));
  if (Deno.build.os !== "windows") assert.equal((await Deno.stat(payloadFile)).mode, 0o100600);
  queue.listen(echo, { concurrency: 1 });
  await finished(queue, id);
  await queue.stop();
  const [resultFile = "", ...more] = await filesUnder(store.directory);
  assert.deepEqual(more, []);
  assert.ok(resultFile.startsWith(join(store.directory, "suite", id, "result-")));
  await queue.remove(id);
  assert.deepEqual(await filesUnder(store.directory), []);
  assert.deepEqual(await keysOf(store), []);
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

Deno.test("a file whose record never came is removed by a later sweep, others are not", async () => {
  await using store = await createKvStore();
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  const kept = await queue.enqueue("work", { text: LARGE_SECRET }, { runAt: clock.now() + 24 * 3_600_000 });
  const bodies = new JobBodies({
    kv: store.kv,
    keys: new JobKeys("suite"),
    directory: join(store.directory, "suite"),
    clock,
  });
  await bodies.prepare("orphan", { name: "payload", bytes: new Uint8Array(100_000) });
  assert.equal((await filesUnder(store.directory)).length, 2);
  clock.advance(2 * 3_600_000);
  queue.listen(echo, { concurrency: 1 });
  await queue.stop();
  const [file = "", ...others] = await filesUnder(store.directory);
  assert.deepEqual(others, []);
  assert.ok(file.includes(kept.id));
  assert.deepEqual(await keysOf(store, "staged"), []);
});

Deno.test("a payload file that is gone or damaged fails its job with a sentence that quotes nothing", async () => {
  await using store = await createKvStore();
  const queue = await store.open();
  for (const id of ["body_missing", "body_corrupt"]) {
    await queue.enqueue("work", { text: LARGE_SECRET }, { id });
  }
  for (const file of await filesUnder(store.directory)) {
    if (file.includes("body_missing")) await Deno.remove(file);
    else await Deno.writeTextFile(file, `{"text":${SECRET}`);
  }
  queue.listen(echo, { concurrency: 1 });
  for (const id of ["body_missing", "body_corrupt"]) {
    const job = await finished(queue, id);
    assert.equal(job.state, "failed");
    assert.equal(job.error?.code, id);
    assert.ok(!job.error?.message.includes("4711"));
  }
});

Deno.test("a sweep leaves alone what runs in its own process, however long the machine slept", async () => {
  await using store = await createKvStore();
  const { kv } = store;
  const clock = new FakeClock();
  const queue = await store.open({ clock });
  const { id } = await queue.enqueue("work", {});
  const keys = new JobKeys("suite");
  const log = createLogger({ write: () => {} });
  const parts = {
    ledger: new JobLedger({ kv, queue: "suite", keys, log }),
    index: new JobIndex(kv, keys),
    bodies: new JobBodies({ kv, keys, directory: store.directory, clock }),
    clock,
    log,
    sweepMs: 15_000,
  };
  const finish = Promise.withResolvers<void>();
  const handlers = { work: () => finish.promise };
  const runner = new JobRunner({
    ...parts,
    handlers,
    concurrency: 1,
    leaseMs: 30_000,
    backoff: { baseMs: 1_000, capMs: 1_000 },
  });
  runner.wake();
  await untilState(queue, { id, state: "running" });
  // A sleeping machine renews nothing, and the first thing it does awake may be to sweep.
  const awake = new FakeClock(clock.now() + 3_600_000);
  await new JobSweeper({ ...parts, clock: awake, runner, retentionMs: 1 }).stop();
  assert.equal((await queue.get(id))?.state, "running");
  finish.resolve();
  const job = await finished(queue, id);
  assert.equal(job.state, "completed");
  assert.equal(job.attempts, 1);
  await runner.stop({});
});

Deno.test("whatever is done to jobs in whatever order, each is in exactly the index of its state", async () => {
  const step = fc.record({
    verb: fc.constantFrom("enqueue", "cancel", "remove", "run", "crash", "expire"),
    job: fc.integer({ min: 0, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await using store = await createKvStore();
      const clock = new FakeClock();
      for (const { verb, job } of steps) await take(store, { verb, id: `job-${job}`, clock });
      await assertIndexed(store.kv);
    }),
    { numRuns: 30 },
  );
});

async function take(store: KvStore, step: { verb: string; id: string; clock: FakeClock }): Promise<void> {
  const { verb, id, clock } = step;
  const queue = store.openBeside({ clock });
  if (verb === "enqueue") await queue.enqueue("work", { n: 1 }, { id }).catch(ignoreTaken);
  if (verb === "cancel") await queue.cancel(id);
  if (verb === "remove") await queue.remove(id);
  if (verb === "crash") await claimAndForget(store.kv, id);
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

/** Leaves a queued job as a process does that dies right after its claim. */
async function claimAndForget(kv: Deno.Kv, id: string): Promise<void> {
  const ledger = new JobLedger({ kv, queue: "suite", keys: new JobKeys("suite"), log: createLogger() });
  const lease = { token: "dead", now: 0, until: 0 };
  await ledger.update(id, (record) => record.state === "queued" ? claimed(record, lease) : null);
}

async function assertIndexed(kv: Deno.Kv): Promise<void> {
  const keys = new JobKeys("suite");
  const expected: Deno.KvKey[] = [];
  const bodies: Deno.KvKey[] = [];
  for await (const { value } of kv.list<JobRecord>({ prefix: ["jobs", "suite", "record"] })) {
    expected.push(keys.index(value));
    for (const name of ["payload", "result"] as const) {
      if (value[name].kind === "inline") bodies.push(keys.body(value.id, name));
    }
  }
  const listed = async (prefixes: Deno.KvKey[]) => {
    const found = prefixes.map((prefix) => Array.fromAsync(kv.list({ prefix }), ({ key }) => key));
    return new Set((await Promise.all(found)).flat().map((key) => JSON.stringify(key)));
  };
  const setOf = (all: Deno.KvKey[]) => new Set(all.map((key) => JSON.stringify(key)));
  assert.deepEqual(await listed([keys.queued, keys.running, keys.finished]), setOf(expected));
  assert.deepEqual(await listed([["jobs", "suite", "payload"], ["jobs", "suite", "result"]]), setOf(bodies));
}
