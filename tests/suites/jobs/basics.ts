/** The part of the job queue suite about adding, ordering, reading and deleting jobs. */
import assert from "node:assert/strict";
import type { JobHandlers } from "../../../lib/jobs/job.ts";
import { FakeClock } from "../../support/process/fake_clock.ts";
import type { SuiteTasks } from "../../support/jobs/job_queue_process.ts";
import { catchUp, finished, type JobQueueStore, soon, until } from "../../support/jobs/job_queue_store.ts";

const DAY_MS = 24 * 3_600_000;

/** More than a Deno KV value or queue message can hold, with characters of 1, 2, 3 and 4 bytes. */
const LARGE_TEXT = "a é 語 🙂 \ud800 ".repeat(12_000);

export function testJobBasics(createStore: () => Promise<JobQueueStore>): void {
  Deno.test("a job carries its payload to the handler and its result back", async () => {
    await using store = await createStore();
    const queue = await store.open();
    queue.listen({ work: ({ n = 0 }) => ({ n: n + 1 }), ping: () => null }, { concurrency: 1 });
    const added = await queue.enqueue("work", { n: 41 });
    assert.equal(added.state, "queued");
    const job = await finished(queue, added.id);
    assert.equal(job.state, "completed");
    assert.deepEqual(job.result, { n: 42 });
    assert.equal(job.attempts, 1);
    assert.ok(job.startedAt !== null && job.finishedAt !== null && job.startedAt <= job.finishedAt);
  });

  Deno.test("payloads and results far above 64 KiB come through unchanged, and a handler may return nothing", async () => {
    await using store = await createStore();
    const queue = await store.open<{ work: SuiteTasks["work"]; mute: { payload: string; result: void } }>();
    const muted: string[] = [];
    const handlers = {
      work: (payload: { text?: string }) => payload,
      mute: (text: string) => void muted.push(text),
    };
    queue.listen(handlers, { concurrency: 2 });
    const work = await finished(queue, (await queue.enqueue("work", { text: LARGE_TEXT })).id);
    assert.deepEqual(work.result, { text: LARGE_TEXT });
    const mute = await finished(queue, (await queue.enqueue("mute", LARGE_TEXT)).id);
    assert.equal(mute.state, "completed");
    assert.equal(mute.result, undefined);
    assert.deepEqual(muted, [LARGE_TEXT]);
  });

  Deno.test("sizes around the limits of the store come through unchanged", async () => {
    await using store = await createStore();
    const queue = await store.open();
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 3 });
    for (const kib of [31, 32, 33, 63, 64, 65]) {
      for (const extra of [-20, -1, 0, 1]) {
        const text = "語".repeat(Math.ceil((kib * 1024 + extra) / 3));
        const job = await finished(queue, (await queue.enqueue("work", { text })).id);
        assert.deepEqual(job.result, { text });
      }
    }
  });

  Deno.test("an id can be used once, also by ten callers at the same time", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const texts = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? LARGE_TEXT : "") + n);
    const added = await Promise.allSettled(
      texts.map((text) => queue.enqueue("work", { text }, { id: "twice" })),
    );
    const winner = added.findIndex(({ status }) => status === "fulfilled");
    const losers = added.filter((outcome) => outcome.status === "rejected");
    assert.equal(losers.length, 9);
    for (const { reason } of losers) assert.equal(reason.code, "job_exists");
    queue.listen({ work: (payload) => payload, ping: () => null }, { concurrency: 1 });
    assert.deepEqual((await finished(queue, "twice")).result, { text: texts[winner] });
    await assert.rejects(queue.enqueue("work", {}, { id: "twice" }), { code: "job_exists", statusCode: 409 });
  });

  Deno.test("what cannot be stored or make sense is refused before anything is stored", async () => {
    await using store = await createStore();
    const queue = await store.open();
    for (const id of ["", "../up", "a/b", "a b", "é", "x".repeat(101)]) {
      await assert.rejects(queue.enqueue("ping", null, { id }), TypeError);
    }
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    await assert.rejects(queue.enqueue("work", cyclic), TypeError);
    for (const maxAttempts of [0, -1, 1.5, NaN]) {
      await assert.rejects(queue.enqueue("ping", null, { maxAttempts }), RangeError);
    }
    assert.throws(
      () => queue.listen({ work: () => ({}), ping: () => null }, { concurrency: 0 }),
      RangeError,
    );
    assert.equal(await queue.queueLength(), 0);
  });

  Deno.test("jobs start in the order they were added, and their positions say so", async () => {
    await using store = await createStore();
    const queue = await store.open({ clock: new FakeClock() });
    const ids = ["d", "b", "a", "e", "c"];
    for (const id of ids) await queue.enqueue("work", {}, { id });
    for (const [index, id] of ids.entries()) assert.equal(await queue.position(id), index + 1);
    assert.deepEqual((await queue.list({ state: "queued" })).map(({ id }) => id), ids);
    await queue.cancel("b");
    assert.equal(await queue.position("b"), null);
    assert.equal(await queue.position("c"), 4);
    assert.equal(await queue.position("unknown"), null);
    const started: string[] = [];
    const work = (_: unknown, { id }: { id: string }) => {
      started.push(id);
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    await finished(queue, "c");
    assert.deepEqual(started, ["d", "a", "e", "c"]);
  });

  Deno.test("a job with a start time waits for it, behind those that are due", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock });
    queue.listen({ work: () => ({}), ping: () => null }, { concurrency: 2 });
    const { id } = await queue.enqueue("work", {}, { runAt: clock.now() + DAY_MS });
    clock.advance(DAY_MS - 1);
    await catchUp(queue);
    assert.equal((await queue.get(id))?.state, "queued");
    clock.advance(1);
    await catchUp(queue);
    assert.equal((await finished(queue, id)).state, "completed");
  });

  Deno.test("lists, counts and single jobs agree on the states", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock });
    await queue.enqueue("work", { n: 0 }, { id: "fails", maxAttempts: 1 });
    await queue.enqueue("work", { n: 1 }, { id: "completes" });
    await queue.enqueue("work", { n: 1 }, { id: "cancelled" });
    await queue.enqueue("work", { n: 1 }, { id: "later", runAt: clock.now() + DAY_MS });
    await queue.cancel("cancelled");
    const work = ({ n = 0 }) => {
      if (n === 0) throw new Error("refused");
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    await finished(queue, "completes");
    assert.deepEqual(await queue.stats(), { queued: 1, running: 0, completed: 1, failed: 1, cancelled: 1 });
    assert.equal(await queue.queueLength(), 1);
    for (
      const [id, state] of [["fails", "failed"], ["completes", "completed"], ["later", "queued"]] as const
    ) {
      assert.equal((await queue.get(id))?.state, state);
      assert.deepEqual((await queue.list({ state })).map((job) => job.id), [id]);
    }
    assert.equal((await queue.list()).length, 4);
    assert.equal((await queue.list({ limit: 2 })).length, 2);
    assert.equal(await queue.get("unknown"), null);
  });

  Deno.test("finished jobs expire after their retention, others never", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const options = { clock, retentionMs: 7 * DAY_MS };
    const handlers: JobHandlers<SuiteTasks> = { work: (payload) => payload, ping: () => null };
    const queue = await store.open(options);
    queue.listen(handlers, { concurrency: 2 });
    const done = await queue.enqueue("work", { text: LARGE_TEXT });
    await finished(queue, done.id);
    const later = await queue.enqueue("work", {}, { runAt: clock.now() + 30 * DAY_MS });
    const check = async () => {
      const other = await store.open(options);
      other.listen(handlers, { concurrency: 1 });
      await other.stop();
    };
    clock.advance(7 * DAY_MS);
    await check();
    assert.deepEqual((await queue.get(done.id))?.result, { text: LARGE_TEXT });
    clock.advance(1);
    await check();
    assert.equal(await queue.get(done.id), null);
    assert.equal((await queue.get(later.id))?.state, "queued");
  });

  Deno.test("a removed job is gone in every state, and its id is free again", async () => {
    await using store = await createStore();
    const queue = await store.open();
    await queue.enqueue("work", { text: LARGE_TEXT }, { id: "reused" });
    assert.equal(await queue.remove("reused"), true);
    assert.equal(await queue.remove("reused"), false);
    assert.equal(await queue.get("reused"), null);
    const reasons: unknown[] = [];
    const started = Promise.withResolvers<void>();
    const work = async (payload: { n?: number }, { signal }: { signal: AbortSignal }) => {
      if (payload.n === 2) return payload;
      started.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reasons.push(signal.reason.why);
      return payload;
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    await queue.enqueue("work", { n: 1 }, { id: "reused" });
    await soon(started.promise);
    assert.equal(await queue.remove("reused"), true);
    await queue.enqueue("work", { n: 2 }, { id: "reused" });
    assert.deepEqual((await finished(queue, "reused")).result, { n: 2 });
    assert.deepEqual(reasons, ["cancelled"]);
    await queue.remove("reused");
    assert.deepEqual(await queue.list({ state: "completed" }), []);
  });

  Deno.test("a watcher sees states and progress, and ends with the job or with its signal", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const seen = Promise.withResolvers<void>();
    const work = async (_: unknown, { progress }: { progress: (value: { step: number }) => void }) => {
      progress({ step: 1 });
      await seen.promise;
      progress({ step: 2 });
      return {};
    };
    const { id } = await queue.enqueue("work", {});
    const watched = (async () => {
      const states: string[] = [];
      for await (const { state, progress } of queue.watch(id)) {
        states.push(`${state} ${progress?.step ?? "-"}`);
        if (progress?.step === 1) seen.resolve();
      }
      return states;
    })();
    await until(queue, { id, when: ({ state }) => state === "queued" });
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const states = await watched;
    assert.equal(states[0], "queued -");
    assert.ok(states.includes("running 1"));
    assert.equal(states.at(-1), "completed 2");
    assert.equal((await Array.fromAsync(queue.watch(id))).length, 1);
    assert.deepEqual(await Array.fromAsync(queue.watch("unknown")), []);
  });

  Deno.test("of progress that comes thick and fast the last one is seen while the job runs", async () => {
    await using store = await createStore();
    const queue = await store.open();
    const seen = Promise.withResolvers<void>();
    const work = async (_: unknown, { progress }: { progress: (value: { step: number }) => void }) => {
      for (let step = 1; step <= 100; step++) progress({ step });
      await seen.promise;
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    const { id } = await queue.enqueue("work", {});
    const { state } = await until(queue, { id, when: ({ progress }) => progress?.step === 100 });
    assert.equal(state, "running");
    seen.resolve();
    await finished(queue, id);
  });

  Deno.test("waiting ends with the signal, and without a job at once", async () => {
    await using store = await createStore();
    const queue = await store.open();
    assert.equal(await queue.waitFor("unknown"), null);
    const { id } = await queue.enqueue("work", {});
    const controller = new AbortController();
    const waiting = queue.waitFor(id, { signal: controller.signal });
    controller.abort(new Error("gave up"));
    await assert.rejects(waiting, { message: "gave up" });
    const removed = queue.waitFor(id);
    await queue.remove(id);
    assert.equal((await removed)?.state ?? "cancelled", "cancelled");
  });

  Deno.test("groups take turns: a flood of one does not hold up the job of another", async () => {
    await using store = await createStore();
    const clock = new FakeClock();
    const queue = await store.open({ clock });
    for (let n = 0; n < 20; n++) await queue.enqueue("work", {}, { id: `flood-${n}`, group: "flood" });
    for (const group of ["one", "two"]) await queue.enqueue("work", {}, { id: group, group });
    await queue.enqueue("work", {}, { id: "of-nobody" });
    const started: string[] = [];
    const work = (_: unknown, { id }: { id: string }) => {
      started.push(id);
      clock.advance(1);
      return {};
    };
    queue.listen({ work, ping: () => null }, { concurrency: 1 });
    await finished(queue, "flood-19");
    assert.deepEqual(started.slice(0, 6), ["flood-0", "one", "two", "of-nobody", "flood-1", "flood-2"]);
  });

  Deno.test("queues of different names on one store keep apart", async () => {
    await using store = await createStore();
    const first = await store.open({ name: "first" });
    const second = await store.open({ name: "second" });
    first.listen({ work: () => ({ n: 1 }), ping: () => null }, { concurrency: 1 });
    second.listen({ work: () => ({ n: 2 }), ping: () => null }, { concurrency: 1 });
    await first.enqueue("work", { text: LARGE_TEXT }, { id: "same" });
    await second.enqueue("work", { text: LARGE_TEXT }, { id: "same" });
    assert.deepEqual((await finished(first, "same")).result, { n: 1 });
    assert.deepEqual((await finished(second, "same")).result, { n: 2 });
    await first.remove("same");
    assert.equal(await first.get("same"), null);
    assert.deepEqual((await second.get("same"))?.result, { n: 2 });
  });
}
