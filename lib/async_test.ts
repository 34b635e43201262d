/** Tests of waiting, ordering and streaming. */
import assert from "node:assert/strict";
import { FakeClock } from "../tests/support/process/fake_clock.ts";
import {
  aborted,
  concurrently,
  Notifier,
  pushStream,
  SerialExecutor,
  textLinesOf,
  WakeableWait,
  withDeadline,
} from "./async.ts";

const { signal } = new AbortController();

async function isDone(wait: Promise<void>): Promise<boolean> {
  return await Promise.race([wait.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);
}

Deno.test("a wait ends at its time, and not before", async () => {
  const clock = new FakeClock();
  const wait = new WakeableWait(clock).wait({ timeoutMs: 100, signal });
  clock.advance(99);
  assert.equal(await isDone(wait), false);
  clock.advance(1);
  await wait;
});

Deno.test("a wake ends one wait, also when it came before that wait", async () => {
  const pause = new WakeableWait(new FakeClock());
  pause.wake();
  await pause.wait({ timeoutMs: Infinity, signal });
  const wait = pause.wait({ timeoutMs: Infinity, signal });
  assert.equal(await isDone(wait), false);
  pause.wake();
  await wait;
});

Deno.test("a wake that does not end the wait leaves it to its time", async () => {
  const clock = new FakeClock();
  const pause = new WakeableWait(clock);
  const wait = pause.wait({ timeoutMs: 100, isOver: () => false, signal });
  pause.wake();
  assert.equal(await isDone(wait), false);
  clock.advance(100);
  await wait;
});

Deno.test("an aborted signal ends every wait", async () => {
  const pause = new WakeableWait(new FakeClock());
  const stop = new AbortController();
  const wait = pause.wait({ timeoutMs: Infinity, signal: stop.signal });
  stop.abort();
  await wait;
  await pause.wait({ timeoutMs: Infinity, signal: stop.signal });
});

Deno.test("at most `limit` items are in progress at once, started in order, and all are done", async () => {
  const begun: number[] = [];
  let [running, most] = [0, 0];
  await concurrently([1, 2, 3, 4, 5, 6, 7], async (item) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
  }, { limit: 3 });
  assert.deepEqual(begun, [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(most, 3);
  await concurrently([], () => Promise.reject(new Error("never called")), { limit: 3 });
});

Deno.test("after a failure nothing new is started, and what was running has ended when it is thrown", async () => {
  const failure = new Error("third item");
  const [begun, ended]: number[][] = [[], []];
  const work = async (item: number) => {
    begun?.push(item);
    if (item === 3) throw failure;
    await Promise.resolve().then(() => {});
    ended?.push(item);
  };
  await assert.rejects(concurrently([1, 2, 3, 4, 5, 6], work, { limit: 3 }), failure);
  assert.deepEqual(begun, [1, 2, 3]);
  assert.deepEqual(ended, [1, 2]);
});

Deno.test("work that outlasts its deadline is left, work that ends is awaited", async () => {
  assert.equal(await withDeadline(new Promise(() => {}), 1), false);
  assert.equal(await withDeadline(Promise.resolve(), 60_000), true);
});

Deno.test("waiting for an aborted signal ends at once", async () => {
  await aborted(AbortSignal.abort());
});

Deno.test("a notification reaches everyone who waits, and is not repeated", async () => {
  const changes = new Notifier();
  const [first, second] = [changes.next, changes.next];
  changes.notify();
  await Promise.all([first, second]);
  assert.equal(await isDone(changes.next), false);
});

Deno.test("tasks run one at a time and in order, also after one that failed", async () => {
  const tasks = new SerialExecutor();
  const events: string[] = [];
  const task = (name: string) => async () => {
    events.push(`${name} starts`);
    await Promise.resolve();
    events.push(`${name} ends`);
    if (name === "b") throw new Error("b failed");
    return name;
  };
  const [a, b, c] = [tasks.run(task("a")), tasks.run(task("b")), tasks.run(task("c"))];
  await assert.rejects(b, /b failed/);
  await tasks.idle();
  assert.deepEqual(events, ["a starts", "a ends", "b starts", "b ends", "c starts", "c ends"]);
  assert.deepEqual([await a, await c], ["a", "c"]);
});

Deno.test("a push stream keeps what was pushed before it is read, and ends", async () => {
  const { stream, push, end } = pushStream<number>();
  push(1);
  push(2);
  end();
  push(3);
  end();
  assert.deepEqual(await Array.fromAsync(stream), [1, 2]);
});

Deno.test("a push stream whose reader has left takes what comes and drops it", async () => {
  const { stream, push, end } = pushStream<number>();
  await stream.cancel();
  push(1);
  end();
});

Deno.test("lines are found across chunks, with either line break, the last one without", async () => {
  const chunks = ["on", "e\r", "\ntwo\n\nthr", "ee"].map((text) => new TextEncoder().encode(text));
  assert.deepEqual(await Array.fromAsync(textLinesOf(ReadableStream.from(chunks))), [
    "one",
    "two",
    "",
    "three",
  ]);
});
