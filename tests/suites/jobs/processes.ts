/** The part of the job queue suite about processes that follow one another on one store, killed or stopped. */
import assert from "node:assert/strict";
import type { JobContext } from "../../../lib/jobs/job.ts";
import { finished, type JobQueueStore } from "../../support/jobs/job_queue_store.ts";

export function testJobProcesses(createStore: () => Promise<JobQueueStore>): void {
  Deno.test("a job of a process that is killed is finished once by the next one, as its second attempt", async () => {
    await using store = await createStore();
    const { id } = await (await store.open()).enqueue("work", { text: "語".repeat(50_000) });
    await store.close();
    const first = store.spawn({ mode: "hold" });
    assert.deepEqual(await first.next(), { event: "listening" });
    assert.deepEqual(await first.next(), { event: "started", id, attempt: 1 });
    await first.kill();
    assert.equal((await (await store.open()).get(id))?.state, "running");
    await store.close();

    const second = store.spawn({ mode: "finish" });
    assert.deepEqual(await second.next(), { event: "listening" });
    assert.deepEqual(await second.next(), { event: "finished", id, attempt: 2 });
    assert.deepEqual(await second.finish(), []);
    const job = await finished(await store.open(), id);
    assert.equal(job.state, "completed");
    assert.equal(job.attempts, 2);
    assert.deepEqual(job.result, { text: "語".repeat(50_000) });
  });

  Deno.test("a job that kills its process each time fails after its last attempt", async () => {
    await using store = await createStore();
    const { id } = await (await store.open()).enqueue("work", {}, { maxAttempts: 2 });
    await store.close();
    for (const attempt of [1, 2]) {
      const child = store.spawn({ mode: "hold" });
      assert.deepEqual(await child.next(), { event: "listening" });
      assert.deepEqual(await child.next(), { event: "started", id, attempt });
      await child.kill();
    }
    const queue = await store.open();
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
    const job = await finished(queue, id);
    assert.equal(job.state, "failed");
    assert.equal(job.error?.code, "lease_expired");
  });

  Deno.test("a process that stops leaves its job to the next one, with no attempt spent", async () => {
    await using store = await createStore();
    const { id } = await (await store.open()).enqueue("work", {});
    await store.close();
    const child = store.spawn({ mode: "hold" });
    assert.deepEqual(await child.next(), { event: "listening" });
    assert.deepEqual(await child.next(), { event: "started", id, attempt: 1 });
    assert.deepEqual(await child.finish(), [{ event: "aborted", id, why: "stopping" }]);
    const queue = await store.open();
    assert.equal((await queue.get(id))?.state, "queued");
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
    assert.equal((await finished(queue, id)).attempts, 1);
  });

  Deno.test("jobs that two processes added are run by two others: each job is done once", async () => {
    await using store = await createStore();
    await store.close();
    for (const prefix of ["a", "b"]) {
      const adder = store.spawn({ mode: "enqueue", count: 100, prefix });
      assert.deepEqual(await adder.finish(), [{ event: "enqueued" }]);
    }
    const worker = store.spawn({ mode: "finish" });
    assert.deepEqual(await worker.next(), { event: "listening" });
    const first = [await worker.next(), ...await worker.finish()];
    const elsewhere = first.map((event) => event.event === "finished" ? event.id : event);

    const queue = await store.open();
    const done: string[] = [];
    const work = (_: unknown, { id }: JobContext<{ step: number }>) => {
      done.push(id);
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 3 });
    const ids = ["a", "b"].flatMap((prefix) => Array.from({ length: 100 }, (_, n) => `${prefix}-${n}`));
    for (const id of ids) assert.equal((await finished(queue, id)).state, "completed");
    assert.deepEqual([...done, ...elsewhere].sort(), ids.sort());
  });
}
