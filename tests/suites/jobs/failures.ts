/** The part of the job queue suite about errors, retries and dependencies that are down. */
import assert from "node:assert/strict";
import { type JobContext, PermanentJobError, RetryLaterError } from "../../../lib/jobs/job.ts";
import { FakeClock } from "../../support/process/fake_clock.ts";
import { catchUp, finished, type JobQueueStore, until } from "../../support/jobs/job_queue_store.ts";

type Context = JobContext<{ step: number }>;

const BACKOFF = { baseMs: 1_000, capMs: 60_000 };

export function testJobFailures(createStore: () => Promise<JobQueueStore>): void {
  Deno.test("a failing job is tried again after growing pauses, then fails with its last error", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, backoff: BACKOFF, random: () => 0.5 });
    const startedAt: number[] = [];
    const work = (_: unknown, { attempt }: Context) => {
      startedAt.push(clock.now());
      throw new Error(`fault ${attempt}`);
    };
    queue.listen({ work, ping: () => null }, { concurrency: 2 });
    const { id } = await queue.enqueue("work", {}, { maxAttempts: 9 });
    // Half of 1, 2, 4 … 60 s, and half of the other half.
    const pauses = [750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000];
    for (const [index, pauseMs] of pauses.entries()) {
      const job = await until(queue, {
        id,
        when: ({ state, attempts }) => state === "queued" && attempts === index + 1,
      });
      assert.equal(job.dueAt - clock.now(), pauseMs);
      assert.equal(job.error?.message, `fault ${index + 1}`);
      clock.advance(pauseMs - 1);
      await catchUp(queue);
      assert.equal(startedAt.length, index + 1);
      clock.advance(1);
    }
    const job = await finished(queue, id);
    assert.equal(job.state, "failed");
    assert.equal(job.attempts, 9);
    assert.deepEqual(job.error, { code: "Error", message: "fault 9", at: clock.now() });
    assert.equal(startedAt.length, 9);
  });

  Deno.test("whatever a handler throws, at once or later, ends that attempt and nothing else", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const faults = [
      () => {
        throw new TypeError("at once");
      },
      () => Promise.reject(new RangeError("later")),
      () => Promise.reject("no error at all"),
      () => Promise.reject(Object.assign(new Error("coded"), { code: "E_CODED" })),
      () => Promise.reject(new Error("long".repeat(10_000))),
    ];
    queue.listen({ work: ({ n = 0 }) => faults[n]?.() ?? {}, ping: () => null }, { concurrency: 1 });
    const codes = ["TypeError", "RangeError", "unknown", "E_CODED", "Error"];
    for (const [n, code] of codes.entries()) {
      const job = await finished(queue, (await queue.enqueue("work", { n }, { maxAttempts: 1 })).id);
      assert.equal(job.state, "failed");
      assert.equal(job.error?.code, code);
      assert.ok((job.error?.message.length ?? 0) <= 500);
    }
    await catchUp(queue);
  });

  Deno.test("a permanent error fails the job at once", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const work = () => {
      throw new PermanentJobError("the sample is gone", { code: "sample_gone", fix: "choose another one" });
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const job = await finished(queue, (await queue.enqueue("work", {}, { maxAttempts: 5 })).id);
    assert.equal(job.state, "failed");
    assert.equal(job.attempts, 1);
    assert.equal(job.error?.code, "sample_gone");
    assert.equal(job.error?.fix, "choose another one");
  });

  Deno.test("a result that is no JSON value fails the job at once", async () => {
    await using store = await createStore();
    const queue = await store.open<{ odd: { payload: null; result: unknown }; ping: OddPing }>();
    queue.listen({ odd: () => 1n, ping: () => null }, { concurrency: 1 });
    const job = await finished(queue, (await queue.enqueue("odd", null)).id);
    assert.equal(job.state, "failed");
    assert.equal(job.error?.code, "result_invalid");
  });

  Deno.test("a task that nobody handles fails with a clear error instead of going round", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const stranger = await store.open<Record<"mystery" | "toString", OddPing>>({});
    await stranger.enqueue("mystery", null, { id: "mystery" });
    await stranger.enqueue("toString", null, { id: "inherited" });
    queue.listen({ work: () => ({}), ping: () => null }, { concurrency: 1 });
    for (const id of ["mystery", "inherited"]) {
      const job = await finished(queue, id);
      assert.equal(job.state, "failed");
      assert.equal(job.attempts, 1);
      assert.equal(job.error?.code, "unknown_task");
      assert.match(job.error?.message ?? "", /no handler for the task/);
    }
    await catchUp(queue);
  });

  Deno.test("a job whose dependency is down waits, spends no attempt, and says since when and why", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, backoff: BACKOFF, random: () => 0 });
    let down = true;
    const attempts: number[] = [];
    const work = (_: unknown, { attempt }: Context) => {
      attempts.push(attempt);
      if (down) throw new RetryLaterError("ml_unavailable");
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const since = clock.now();
    const { id } = await queue.enqueue("work", {}, { maxAttempts: 1 });
    for (const [index, pauseMs] of [500, 1_000, 2_000].entries()) {
      const job = await until(queue, { id, when: ({ waiting }) => waiting?.tries === index + 1 });
      assert.equal(job.state, "queued");
      assert.equal(job.attempts, 0);
      assert.equal(job.error, null);
      assert.deepEqual(job.waiting, { since, reason: "ml_unavailable", tries: index + 1 });
      assert.equal(job.dueAt - clock.now(), pauseMs);
      down = index < 2;
      clock.advance(pauseMs);
    }
    const job = await finished(queue, id);
    assert.equal(job.state, "completed");
    assert.equal(job.waiting, null);
    assert.deepEqual(attempts, [1, 1, 1, 1]);
  });

  Deno.test("a dependency's own waiting time is respected when it is the longer one", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, backoff: BACKOFF, random: () => 0 });
    const work = () => {
      throw new RetryLaterError("ml_busy", { afterMs: 90_000 });
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    const job = await until(queue, { id, when: ({ waiting }) => waiting !== null });
    assert.equal(job.dueAt - clock.now(), 90_000);
  });

  Deno.test("a long queue tries a dead dependency a bounded number of times, delays nobody else, and recovers", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, backoff: BACKOFF, random: () => 0 });
    const ids = Array.from({ length: 60 }, (_, n) => `job-${n}`);
    for (const id of ids) await queue.enqueue("work", {}, { id, maxAttempts: 1 });
    let down = true;
    let tries = 0;
    const work = () => {
      tries++;
      if (down) throw new RetryLaterError("ml_unavailable");
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 3 });
    for (let passedMs = 0; passedMs < 600_000; passedMs += 2_000) {
      clock.advance(2_000);
      await catchUp(queue);
    }
    // Pauses of 0.5, 1, 2, 4, 8, 16 s and then of 30 s, with at most three jobs after each: 26 of them in ten minutes.
    assert.ok(tries >= 20, `${tries} tries in ten minutes`);
    assert.ok(tries <= 26 * 3, `${tries} tries in ten minutes`);
    assert.equal(await queue.queueLength(), ids.length);
    down = false;
    clock.advance(60_000);
    for (const id of ids) assert.equal((await finished(queue, id)).state, "completed");
  });

  Deno.test("a group whose dependency is down pauses, and delays no other group", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock, backoff: BACKOFF, random: () => 0 });
    const tries: string[] = [];
    const work = ({ text = "" }) => {
      tries.push(text);
      if (text === "faulty") throw new RetryLaterError("ml_unavailable");
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    for (let n = 0; n < 10; n++) {
      await queue.enqueue("work", { text: "faulty" }, { id: `faulty-${n}`, group: "faulty" });
    }
    await until(queue, { id: "faulty-0", when: ({ waiting }) => waiting !== null });
    // The clock stands still: what completes has waited for nothing.
    for (const group of ["one", "two"]) {
      const { id } = await queue.enqueue("work", { text: group }, { group });
      assert.equal((await finished(queue, id)).state, "completed");
    }
    assert.deepEqual(tries, ["faulty", "one", "two"]);
  });
}

interface OddPing {
  payload: null;
  result: null;
}
