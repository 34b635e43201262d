/** The part of the job queue suite about running jobs: concurrency, leases, cancelling, stopping. */
import assert from "node:assert/strict";
import { JobAbortedError } from "../../../lib/jobs/job_errors.ts";
import type { JobContext } from "../../../lib/jobs/job_queue.ts";
import { aborted } from "../../../lib/async.ts";
import { FakeClock } from "../../support/process/fake_clock.ts";
import {
  catchUp,
  finished,
  type JobQueueStore,
  soon,
  untilState,
} from "../../support/jobs/job_queue_store.ts";

type Context = JobContext<{ step: number }>;

/** A handler that starts, reports, and goes on until it is told to end. */
function endlessWork() {
  const started = Promise.withResolvers<Context>();
  const ended = Promise.withResolvers<unknown>();
  const attempts: number[] = [];
  const work = async (_: unknown, context: Context): Promise<never> => {
    attempts.push(context.attempt);
    started.resolve(context);
    await aborted(context.signal);
    ended.resolve(context.signal.reason);
    throw context.signal.reason;
  };
  return { work, started: started.promise, ended: ended.promise, attempts };
}

function assertAborted(reason: unknown, why: string): void {
  assert.ok(reason instanceof JobAbortedError);
  assert.equal(reason.why, why);
}

export function testJobRuns(createStore: () => Promise<JobQueueStore>): void {
  Deno.test("of 300 jobs never more than three run at once, and each is done once", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const ids = Array.from({ length: 300 }, (_, n) => `job-${n}`);
    for (const id of ids) await queue.enqueue("work", {}, { id });
    const started: string[] = [];
    const three = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    const work = async (_: unknown, { id }: Context) => {
      started.push(id);
      most = Math.max(most, ++running);
      if (most === 3) three.resolve();
      await three.promise;
      await queue.stats();
      running--;
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 3 });
    await Promise.all(ids.map((id) => finished(queue, id)));
    assert.equal(most, 3);
    assert.deepEqual(started.sort(), ids.sort());
    assert.equal((await queue.stats()).completed, 300);
  });

  Deno.test("a lease is renewed for as long as the job runs, and no other worker takes it", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const options = { clock, leaseMs: 30_000, sweepMs: 15_000 };
    const [queue, other] = [await store.open(options), store.openBeside(options)];
    const finish = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const work = async (_: unknown, { attempt }: Context) => {
      attempts.push(attempt);
      await finish.promise;
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 2 });
    const { id } = await queue.enqueue("work", {});
    await untilState(queue, { id, state: "running" });
    other.listen({ work, ping: () => null }, { concurrency: 2 });
    for (let passedMs = 0; passedMs < 180_000; passedMs += 5_000) {
      clock.advance(5_000);
      await catchUp(queue);
    }
    finish.resolve();
    assert.equal((await finished(queue, id)).attempts, 1);
    assert.deepEqual(attempts, [1]);
  });

  Deno.test("a worker whose lease ran out is told, and what it returns no longer counts", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, leaseMs: 30_000 });
    const slow = Promise.withResolvers<unknown>();
    const work = async (_: unknown, { signal }: Context) => {
      await aborted(signal);
      slow.resolve(signal.reason);
      return { text: "late" };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    await untilState(queue, { id, state: "running" });
    // To a worker whose clock is an hour ahead the lease looks dead.
    const other = store.openBeside({ clock: new FakeClock(clock.now() + 3_600_000) });
    const [taken, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const inTime = async () => {
      taken.resolve();
      await finish.promise;
      return { text: "in time" };
    };
    other.listen({ work: inTime, ping: () => null }, { concurrency: 1 });
    await soon(taken.promise);
    clock.advance(10_000);
    assertAborted(await soon(slow.promise), "lease_lost");
    await queue.stop();
    assert.equal((await other.get(id))?.state, "running");
    finish.resolve();
    const job = await finished(other, id);
    assert.deepEqual(job.result, { text: "in time" });
    assert.equal(job.attempts, 2);
  });

  Deno.test("a job cancelled while it waits never starts", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const started: string[] = [];
    const work = (_: unknown, { id }: Context) => {
      started.push(id);
      return {};
    };
    await queue.enqueue("work", {}, { id: "unwanted" });
    const waiting = queue.waitFor("unwanted");
    assert.equal((await queue.cancel("unwanted"))?.state, "cancelled");
    assert.equal((await waiting)?.state, "cancelled");
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    await catchUp(queue);
    assert.deepEqual(started, []);
    assert.equal(await queue.cancel("unknown"), null);
  });

  Deno.test("a job cancelled while it runs is cancelled at once, and its handler is told", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const endless = endlessWork();
    queue.listen({ work: endless.work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    await soon(endless.started);
    const cancelled = await queue.cancel(id);
    assert.equal(cancelled?.state, "cancelled");
    assertAborted(await soon(endless.ended), "cancelled");
    await catchUp(queue);
    assert.deepEqual(await queue.get(id), { ...cancelled, result: undefined });
    assert.equal((await queue.cancel(id))?.finishedAt, cancelled?.finishedAt);
  });

  Deno.test("a handler that returns in spite of being cancelled changes nothing", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const started = Promise.withResolvers<void>();
    const work = async (_: unknown, { signal }: Context) => {
      started.resolve();
      await aborted(signal);
      return { text: "x".repeat(100_000) };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    await soon(started.promise);
    await queue.cancel(id);
    await catchUp(queue);
    const job = await queue.get(id);
    assert.equal(job?.state, "cancelled");
    assert.equal(job?.result, undefined);
  });

  Deno.test("a finished job cannot be cancelled", async () => {
    await using store = await createStore();
    const queue = await store.open();
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", { n: 7 });
    await finished(queue, id);
    assert.equal((await queue.cancel(id))?.state, "completed");
    assert.deepEqual((await queue.get(id))?.result, { n: 7 });
  });

  Deno.test("stopping hands running jobs back to their old place without an attempt spent", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const endless = endlessWork();
    queue.listen({ work: endless.work, ping: () => null }, { concurrency: 1 });
    await queue.enqueue("work", {}, { id: "first" });
    await soon(endless.started);
    await queue.enqueue("work", {}, { id: "second" });
    await queue.stop();
    assertAborted(await soon(endless.ended), "stopping");
    const job = await queue.get("first");
    assert.equal(job?.state, "queued");
    assert.equal(job?.attempts, 0);
    assert.equal(job?.error, null);
    assert.equal(await queue.position("first"), 1);
    assert.throws(
      () => queue.listen({ work: endless.work, ping: () => null }, { concurrency: 1 }),
      /stopped/,
    );

    const next = store.openBeside({});
    const order: string[] = [];
    const work = (_: unknown, { id, attempt }: Context) => {
      order.push(`${id} ${attempt}`);
      return {};
    };
    next.listen({ work, ping: () => null }, { concurrency: 1 });
    await finished(next, "second");
    assert.deepEqual(order, ["first 1", "second 1"]);
  });

  Deno.test("stopping lets a job finish within its grace", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock });
    const [started, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = async () => {
      started.resolve();
      await finish.promise;
      return { n: 1 };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    const waiting = await queue.enqueue("work", {});
    await soon(started.promise);
    const stopped = queue.stop({ graceMs: 60_000 });
    finish.resolve();
    await stopped;
    assert.deepEqual((await queue.get(id))?.result, { n: 1 });
    assert.equal((await queue.get(waiting.id))?.state, "queued");
  });

  Deno.test("stopping does not wait longer than its deadline for a handler that does not listen", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const [started, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = async () => {
      started.resolve();
      await finish.promise;
      return { n: 1 };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    await soon(started.promise);
    await queue.stop({ deadlineMs: 1 });
    assert.equal((await queue.get(id))?.state, "queued");
    const next = store.openBeside({});
    next.listen({ work: () => ({ n: 2 }), ping: () => null }, { concurrency: 1 });
    assert.deepEqual((await finished(next, id)).result, { n: 2 });
    finish.resolve();
    await catchUp(next);
    assert.deepEqual((await next.get(id))?.result, { n: 2 });
  });
}
