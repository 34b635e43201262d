/** The part of the job queue suite about several processes on one store, crashes, and real time. */
import assert from "node:assert/strict";
import { delay } from "../../../lib/backoff.ts";
import type { JobContext } from "../../../lib/jobs/job_queue.ts";
import { finished, type JobQueueStore, SHORT_LEASE, untilState } from "../../support/jobs/job_queue_store.ts";

/** Deno KV delivers a queue message again about 60 s after its handler took it and did not return in 5 s. */
const PAST_REDELIVERY_MS = 65_000;

export function testJobProcesses(createStore: () => Promise<JobQueueStore>): void {
  Deno.test("a job of a process that is killed is finished once by the next one, as its second attempt", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const first = store.spawn({ mode: "hold" }, SHORT_LEASE);
    assert.deepEqual(await first.next(), { event: "listening" });
    const { id } = await queue.enqueue("work", { text: "語".repeat(50_000) });
    assert.deepEqual(await first.next(), { event: "started", id, attempt: 1 });
    await first.kill();
    assert.equal((await queue.get(id))?.state, "running");

    const second = store.spawn({ mode: "finish" }, SHORT_LEASE);
    assert.deepEqual(await second.next(), { event: "listening" });
    assert.deepEqual(await second.next(), { event: "finished", id, attempt: 2 });
    const job = await finished(queue, id);
    assert.equal(job.state, "completed");
    assert.equal(job.attempts, 2);
    assert.deepEqual(job.result, { text: "語".repeat(50_000) });
    assert.deepEqual(await second.finish(), []);
  });

  Deno.test("a job that kills its process each time fails after its last attempt", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const { id } = await queue.enqueue("work", {}, { maxAttempts: 2 });
    for (const attempt of [1, 2]) {
      const child = store.spawn({ mode: "hold" }, SHORT_LEASE);
      assert.deepEqual(await child.next(), { event: "listening" });
      assert.deepEqual(await child.next(), { event: "started", id, attempt });
      await child.kill();
    }
    store.spawn({ mode: "finish" }, SHORT_LEASE);
    const job = await finished(queue, id);
    assert.equal(job.state, "failed");
    assert.equal(job.error?.code, "lease_expired");
  });

  Deno.test("a job that runs in another process can be cancelled from here", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const child = store.spawn({ mode: "hold" }, SHORT_LEASE);
    assert.deepEqual(await child.next(), { event: "listening" });
    const { id } = await queue.enqueue("work", {});
    assert.deepEqual(await child.next(), { event: "started", id, attempt: 1 });
    assert.equal((await queue.cancel(id))?.state, "cancelled");
    assert.deepEqual(await child.next(), { event: "aborted", id, why: "cancelled" });
    assert.deepEqual(await child.finish(), []);
    assert.equal((await queue.get(id))?.state, "cancelled");
  });

  Deno.test("a process that stops hands its job to another one, with no attempt spent", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const child = store.spawn({ mode: "hold" }, SHORT_LEASE);
    assert.deepEqual(await child.next(), { event: "listening" });
    const { id } = await queue.enqueue("work", {});
    assert.deepEqual(await child.next(), { event: "started", id, attempt: 1 });
    assert.deepEqual(await child.finish(), [{ event: "aborted", id, why: "stopping" }]);
    assert.equal((await queue.get(id))?.state, "queued");
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
    assert.equal((await finished(queue, id)).attempts, 1);
  });

  Deno.test("two processes add jobs while two others run them: each job is done once", async () => {
    await using store = await createStore();
    const queue = await store.open(SHORT_LEASE);
    const done: string[] = [];
    const work = (_: unknown, { id }: JobContext<{ step: number }>) => {
      done.push(id);
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 3 });
    const worker = store.spawn({ mode: "finish" }, SHORT_LEASE);
    assert.deepEqual(await worker.next(), { event: "listening" });
    const adders = ["a", "b"].map((prefix) => store.spawn({ mode: "enqueue", count: 100, prefix }));
    for (const adder of adders) assert.deepEqual(await adder.finish(), [{ event: "enqueued" }]);
    const ids = ["a", "b"].flatMap((prefix) => Array.from({ length: 100 }, (_, n) => `${prefix}-${n}`));
    for (const id of ids) assert.equal((await finished(queue, id)).state, "completed");
    const elsewhere = (await worker.finish()).map((event) => event.event === "finished" ? event.id : event);
    assert.deepEqual([...done, ...elsewhere].sort(), ids.sort());
  });

  // The one test that takes its time: what it shows is what the store does by itself within a minute.
  Deno.test("a job of 65 seconds is started once, with default leases and another process listening", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const attempts: number[] = [];
    const work = async (_: unknown, { attempt, signal }: JobContext<{ step: number }>) => {
      attempts.push(attempt);
      await delay(PAST_REDELIVERY_MS, { signal });
      return { n: attempt };
    };
    queue.listen({ work, ping: () => null }, { concurrency: 2 });
    const { id } = await queue.enqueue("work", {});
    await untilState(queue, { id, state: "running" });
    const other = store.spawn({ mode: "finish" });
    assert.deepEqual(await other.next(), { event: "listening" });
    assert.deepEqual((await queue.waitFor(id))?.result, { n: 1 });
    assert.deepEqual(attempts, [1]);
    assert.deepEqual(await other.finish(), []);
  });
}
