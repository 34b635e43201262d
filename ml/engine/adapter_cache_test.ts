/** Tests which adapters are open: shared while in use, a few at a time, least recently used closed first. */
import assert from "node:assert/strict";
import { AdapterCache } from "./adapter_cache.ts";

class Loaded implements AsyncDisposable {
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
  adapters: AdapterCache<{ id: string }, Loaded>;
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
  const adapters = new AdapterCache<{ id: string }, Loaded>({
    limit,
    open: async ({ id }) => {
      await holds.opening;
      if (broken.has(id)) throw new Error(`${id} is broken`);
      return new Loaded(id, log, holds.closing?.[id]);
    },
  });
  return { adapters, log, broken };
}

Deno.test("an adapter is opened once, however many ask for it at the same time, and stays open", async () => {
  const { adapters, log } = open(2);
  const leases = await Promise.all([1, 2, 3].map(() => adapters.acquire({ id: "a" })));
  for (const lease of leases) lease[Symbol.dispose]();
  using again = await adapters.acquire({ id: "a" });
  assert.equal(again.loaded, leases[0]?.loaded);
  assert.deepEqual(log, ["open a"]);
});

Deno.test("the least recently used idle adapter makes room for another", async () => {
  const { adapters, log } = open(2);
  for (const id of ["a", "b", "a", "c"]) (await adapters.acquire({ id }))[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b", "close b", "open c"]);
  using held = await adapters.acquire({ id: "a" });
  (await adapters.acquire({ id: "d" }))[Symbol.dispose]();
  assert.equal(held.loaded.closed, false);
  assert.deepEqual(log.slice(4), ["close c", "open d"]);
});

Deno.test("whoever asks while all are in use waits for the first one released", async () => {
  const { adapters, log } = open(1);
  const first = await adapters.acquire({ id: "a" });
  const waiting = ["b", "c"].map((id) => adapters.acquire({ id }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const second = await Promise.race(waiting);
  assert.equal(log.length, 3, "the third waits for the second");
  second[Symbol.dispose]();
  for (const lease of await Promise.all(waiting)) lease[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "close a", "open b", "close b", "open c"]);
});

Deno.test("waiting ends with the signal and leaves the adapter in use alone", async () => {
  const { adapters, log } = open(1);
  using held = await adapters.acquire({ id: "a" });
  const leaving = new AbortController();
  const waiting = adapters.acquire({ id: "b" }, { signal: leaving.signal });
  leaving.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  assert.equal(held.loaded.closed, false);
  assert.deepEqual(log, ["open a"]);
});

Deno.test("an adapter that cannot be opened fails for every caller and takes no slot", async () => {
  const { adapters, broken } = open(1);
  broken.add("a");
  const asked = await Promise.allSettled([1, 2].map(() => adapters.acquire({ id: "a" })));
  assert.deepEqual(asked.map(({ status }) => status), ["rejected", "rejected"]);
  broken.clear();
  (await adapters.acquire({ id: "a" }))[Symbol.dispose]();
  (await adapters.acquire({ id: "b" }))[Symbol.dispose]();
});

Deno.test("a retired adapter is closed by its last user and given to no one else", async () => {
  const { adapters, log } = open(2);
  const [first, second] = [await adapters.acquire({ id: "a" }), await adapters.acquire({ id: "a" })];
  await adapters.retire("a");
  await adapters.retire("unknown");
  first[Symbol.dispose]();
  assert.equal(second.loaded.closed, false);
  second[Symbol.dispose]();
  assert.equal(second.loaded.closed, true);
  (await adapters.acquire({ id: "b" }))[Symbol.dispose]();
  await adapters.retire("b");
  assert.deepEqual(log, ["open a", "close a", "open b", "close b"]);
});

Deno.test("an adapter that is retired while it is being opened serves the one request that asked", async () => {
  const hold = Promise.withResolvers<void>();
  const { adapters, log } = open(1, { opening: hold.promise });
  const taking = adapters.acquire({ id: "a" });
  const retiring = adapters.retire("a");
  hold.resolve();
  const lease = await taking;
  await retiring;
  assert.equal(lease.loaded.closed, false);
  lease[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "close a"]);
});

Deno.test("a retired adapter is opened again only once it is closed: it is in memory once", async () => {
  const { adapters, log } = open(2);
  const last = await adapters.acquire({ id: "a" });
  await adapters.retire("a");
  const taking = adapters.acquire({ id: "a" });
  (await adapters.acquire({ id: "b" }))[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b"]);
  last[Symbol.dispose]();
  (await taking)[Symbol.dispose]();
  assert.deepEqual(log, ["open a", "open b", "close a", "open a"]);
});

Deno.test("an adapter that makes room is opened again only once that is closed", async () => {
  const closing = Promise.withResolvers<void>();
  const { adapters, log } = open(2, { closing: { a: closing.promise } });
  for (const id of ["a", "b"]) (await adapters.acquire({ id }))[Symbol.dispose]();
  const taking = ["c", "a"].map((id) => adapters.acquire({ id }));
  // Enough microtask turns for everything that does not wait for the closing.
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  closing.resolve();
  for (const lease of await Promise.all(taking)) lease[Symbol.dispose]();
  assert.ok(log.lastIndexOf("open a") > log.indexOf("close a"), log.join());
});

Deno.test("disposing closes every adapter", async () => {
  const { adapters, log } = open(3);
  for (const id of ["a", "b"]) (await adapters.acquire({ id }))[Symbol.dispose]();
  await adapters[Symbol.asyncDispose]();
  assert.deepEqual(log, ["open a", "open b", "close a", "close b"]);
});
