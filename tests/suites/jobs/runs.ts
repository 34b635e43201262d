/** The part of the job queue suite about running jobs: concurrency, cancelling, stopping. */
import assert from "node:assert/strict";
import { aborted } from "../../../lib/async.ts";
import { JobAbortedError, type JobContext } from "../../../lib/jobs/job.ts";
import { FakeClock } from "../../support/process/fake_clock.ts";
import {
  catchUp,
  finished,
  type JobQueueStore,
  soon,
  untilState,
} from "../../support/jobs/job_queue_store.ts";

type Context = JobContext<{ step: number }>;

/** A handler that starts, reports, and goes on until it is asked to end. */
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

  Deno.test("a job that runs for long is started once, and no other worker of the process takes it", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const [queue, other] = [await store.open({ clock }), await store.open({ clock })];
    const finish = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const work = async (_: unknown, { attempt }: Context) => {
      attempts.push(attempt);
      await finish.promise;
      return { n: attempt };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 2 });
    const { id } = await queue.enqueue("work", {});
    await untilState(queue, { id, state: "running" });
    other.listen({ work, ping: () => null }, { concurrency: 2 });
    for (let passedMs = 0; passedMs < 180_000; passedMs += 5_000) {
      clock.advance(5_000);
      await catchUp(queue);
    }
    clock.advance(3_600_000);
    await catchUp(queue);
    finish.resolve();
    const job = await finished(queue, id);
    assert.equal(job.attempts, 1);
    assert.deepEqual(job.result, { n: 1 });
    assert.deepEqual(attempts, [1]);
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

  Deno.test("a job cancelled while it runs is cancelled at once, and its signal aborts", async () => {
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

  Deno.test("stopping requeues running jobs in their old place without an attempt spent", async () => {
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

    const next = await store.open({});
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
    const next = await store.open({});
    next.listen({ work: () => ({ n: 2 }), ping: () => null }, { concurrency: 1 });
    assert.deepEqual((await finished(next, id)).result, { n: 2 });
    finish.resolve();
    await catchUp(next);
    assert.deepEqual((await next.get(id))?.result, { n: 2 });
  });
}
