/** Tests which contexts are open: shared while in use, a few at a time, least recently used closed first. */
import assert from "node:assert/strict";
import { AdapterContexts } from "./adapter_contexts.ts";

class Context implements AsyncDisposable {
  closed = false;
  constructor(readonly id: string, readonly log: string[], readonly holdClosing?: Promise<void>) {
    log.push(`open ${id}`);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    assert.equal(this.closed, false, `${this.id} is closed twice`);
    this.closed = true;
    if (this.holdClosing) await this.holdClosing;
    this.log.push(`close ${this.id}`);
  }
}

interface Opened {
  contexts: AdapterContexts<{ id: string }, Context>;
  /** What was opened and closed, in order. */
  log: string[];
  /** Ids whose opening fails. */
  broken: Set<string>;
}

/** @param holds what openings wait for, and the closing of an id */
function open(
  limit: number,
  holds: { opening?: Promise<void>; closing?: Record<string, Promise<void>> } = {},
): Opened {
  const log: string[] = [];
  const broken = new Set<string>();
  const contexts = new AdapterContexts<{ id: string }, Context>({
    limit,
    open: async ({ id }) => {
      await holds.opening;
      if (broken.has(id)) throw new Error(`${id} is broken`);
      return new Context(id, log, holds.closing?.[id]);
    },
  });
  return { contexts, log, broken };
}

Deno.test("a context is opened once, however many ask for it at the same time, and stays open", async () => {
  const { contexts, log } = open(2);
  const leases = await Promise.all([1, 2, 3].map(() => contexts.acquire({ id: "a" })));
  for (const lease of leases) lease[Symbol.dispose]();
  using again = await contexts.acquire({ id: "a" });
  assert.equal(again.context, leases[0]?.context);
  assert.deepEqual(log, ["open a"]);
});

Deno.test("the least recently used idle context makes room for another", async () => {
  const { contexts, log } = open(2);
  for (const id of ["a", "b", "a", "c"]) (await contexts.acquire({ id }))[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b", "close b", "open c"]);
  using held = await contexts.acquire({ id: "a" });
  (await contexts.acquire({ id: "d" }))[Symbol.dispose]();
  assert.equal(held.context.closed, false);
  assert.deepEqual(log.slice(4), ["close c", "open d"]);
});

Deno.test("whoever asks while all are in use waits for the first one released", async () => {
  const { contexts, log } = open(1);
  const first = await contexts.acquire({ id: "a" });
  const waiting = ["b", "c"].map((id) => contexts.acquire({ id }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const second = await Promise.race(waiting);
  assert.equal(log.length, 3, "the third waits for the second");
  second[Symbol.dispose]();
  for (const lease of await Promise.all(waiting)) lease[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "close a", "open b", "close b", "open c"]);
});

Deno.test("waiting ends with the signal and leaves the context in use alone", async () => {
  const { contexts, log } = open(1);
  using held = await contexts.acquire({ id: "a" });
  const leaving = new AbortController();
  const waiting = contexts.acquire({ id: "b" }, { signal: leaving.signal });
  leaving.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  assert.equal(held.context.closed, false);
  assert.deepEqual(log, ["open a"]);
});

Deno.test("a context that cannot be opened fails for every caller and takes no slot", async () => {
  const { contexts, broken } = open(1);
  broken.add("a");
  const asked = await Promise.allSettled([1, 2].map(() => contexts.acquire({ id: "a" })));
  assert.deepEqual(asked.map(({ status }) => status), ["rejected", "rejected"]);
  broken.clear();
  (await contexts.acquire({ id: "a" }))[Symbol.dispose]();
  (await contexts.acquire({ id: "b" }))[Symbol.dispose]();
});

Deno.test("a retired context is closed by its last user and given to no one else", async () => {
  const { contexts, log } = open(2);
  const [first, second] = [await contexts.acquire({ id: "a" }), await contexts.acquire({ id: "a" })];
  await contexts.retire("a");
  await contexts.retire("unknown");
  first[Symbol.dispose]();
  assert.equal(second.context.closed, false);
  second[Symbol.dispose]();
  assert.equal(second.context.closed, true);
  (await contexts.acquire({ id: "b" }))[Symbol.dispose]();
  await contexts.retire("b");
  assert.deepEqual(log, ["open a", "close a", "open b", "close b"]);
});

Deno.test("an adapter that is retired while it is being opened serves the one request that asked", async () => {
  const hold = Promise.withResolvers<void>();
  const { contexts, log } = open(1, { opening: hold.promise });
  const taking = contexts.acquire({ id: "a" });
  const retiring = contexts.retire("a");
  hold.resolve();
  const lease = await taking;
  await retiring;
  assert.equal(lease.context.closed, false);
  lease[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "close a"]);
});

Deno.test("a retired adapter is opened again only once its context is closed: both would share its weights", async () => {
  const { contexts, log } = open(2);
  const last = await contexts.acquire({ id: "a" });
  await contexts.retire("a");
  const taking = contexts.acquire({ id: "a" });
  (await contexts.acquire({ id: "b" }))[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b"]);
  last[Symbol.dispose]();
  (await taking)[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b", "close a", "open a"]);
});

Deno.test("an adapter whose context makes room is opened again only once that is closed", async () => {
  const closing = Promise.withResolvers<void>();
  const { contexts, log } = open(2, { closing: { a: closing.promise } });
  for (const id of ["a", "b"]) (await contexts.acquire({ id }))[Symbol.dispose]();
  const taking = ["c", "a"].map((id) => contexts.acquire({ id }));
  // Enough microtask turns for everything that does not wait for the closing.
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  closing.resolve();
  for (const lease of await Promise.all(taking)) lease[Symbol.dispose]();
  assert.ok(log.lastIndexOf("open a") > log.indexOf("close a"), log.join());
});

Deno.test("disposing closes every context", async () => {
  const { contexts, log } = open(3);
  for (const id of ["a", "b"]) (await contexts.acquire({ id }))[Symbol.dispose]();
  await contexts[Symbol.asyncDispose]();
  assert.deepEqual(log, ["open a", "open b", "close a", "close b"]);
});
