/** Tests of waiting for a time or a ring. */
import assert from "node:assert/strict";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { Bell } from "./wakeable_wait.ts";

const always = () => true;
const { signal } = new AbortController();

async function isDone(wait: Promise<void>): Promise<boolean> {
  return await Promise.race([wait.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);
}

Deno.test("a wait ends at its time, and not before", async () => {
  const clock = new FakeClock();
  const wait = new Bell(clock).wait({ timeoutMs: 100, isOver: always, signal });
  clock.advance(99);
  assert.equal(await isDone(wait), false);
  clock.advance(1);
  await wait;
});

Deno.test("a ring ends a wait that it concerns, also one from before the wait, and only once", async () => {
  const bell = new Bell(new FakeClock());
  bell.ring();
  await bell.wait({ timeoutMs: Infinity, isOver: always, signal });
  const wait = bell.wait({ timeoutMs: Infinity, isOver: always, signal });
  assert.equal(await isDone(wait), false);
  bell.ring();
  await wait;
});

Deno.test("a ring that does not concern a wait leaves it to its time", async () => {
  const clock = new FakeClock();
  const bell = new Bell(clock);
  const wait = bell.wait({ timeoutMs: 100, isOver: () => false, signal });
  bell.ring();
  assert.equal(await isDone(wait), false);
  clock.advance(100);
  await wait;
});

Deno.test("an aborted signal ends every wait", async () => {
  const bell = new Bell(new FakeClock());
  const stop = new AbortController();
  const wait = bell.wait({ timeoutMs: Infinity, isOver: always, signal: stop.signal });
  stop.abort();
  await wait;
  await bell.wait({ timeoutMs: Infinity, isOver: always, signal: stop.signal });
});
