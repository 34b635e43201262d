/** Tests the queue in front of the engine: order, limits, leaving it, and refusals. */
import assert from "node:assert/strict";
import { ApiError } from "../../lib/errors.ts";
import { RequestQueue } from "./request_queue.ts";

/** Runs the pending microtasks. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

Deno.test("as many requests run as there are slots, the others in order of arrival", async () => {
  const queue = new RequestQueue({ capacity: 2, queueLimit: 8 });
  const running: string[] = [];
  const acquire = async (name: string) => {
    const slot = await queue.acquire();
    running.push(name);
    return slot;
  };
  const slots = ["a", "b", "c", "d"].map(acquire);
  await settle();
  assert.deepEqual(running, ["a", "b"]);
  assert.deepEqual([queue.running, queue.waiting], [2, 2]);

  (await slots[1])?.[Symbol.dispose]();
  await settle();
  assert.deepEqual(running, ["a", "b", "c"]);
  (await slots[0])?.[Symbol.dispose]();
  await settle();
  assert.deepEqual(running, ["a", "b", "c", "d"]);
  for (const slot of await Promise.all(slots)) slot[Symbol.dispose]();
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("a slot released twice counts once", async () => {
  const queue = new RequestQueue({ capacity: 1, queueLimit: 0 });
  const slot = await queue.acquire();
  slot[Symbol.dispose]();
  slot[Symbol.dispose]();
  assert.equal(queue.running, 0);
});

Deno.test("a full queue refuses at once and says when to retry", async () => {
  const queue = new RequestQueue({ capacity: 1, queueLimit: 1 });
  using _slot = await queue.acquire();
  const waiting = queue.acquire();
  await assert.rejects(queue.acquire(), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, "queue_full");
    assert.ok((error.retryAfterSeconds ?? 0) >= 1);
    return true;
  });
  _slot[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
});

Deno.test("a request that leaves the queue makes room in it and gets no slot later", async () => {
  const queue = new RequestQueue({ capacity: 1, queueLimit: 1 });
  const slot = await queue.acquire();
  const leaving = new AbortController();
  const reason = new Error("the client went away");
  const left = queue.acquire(leaving.signal);
  leaving.abort(reason);
  await assert.rejects(left, reason);
  assert.equal(queue.waiting, 0);
  await assert.rejects(queue.acquire(leaving.signal), reason);

  const next = queue.acquire();
  slot[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.equal(queue.running, 0);
});
