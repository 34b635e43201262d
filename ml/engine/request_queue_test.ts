/** Tests the queue in front of the engine: order, limits, leaving it, and refusals. */
import assert from "node:assert/strict";
import { ApiError } from "../../lib/errors.ts";
import { type Requester, RequestQueue } from "./request_queue.ts";

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

/** A queue of one slot that notes in which order requests run; each ends as soon as it has run. */
function orderTest(options: { queueLimit?: number; capacity?: number } = {}) {
  const queue = new RequestQueue({ capacity: 1, queueLimit: 1_000, ...options });
  const order: string[] = [];
  const ask = async (name: string, requester: Requester) => {
    using _slot = await queue.acquire(undefined, requester);
    order.push(name);
    await settle();
  };
  return { queue, order, ask };
}

Deno.test("an account's only request waits for those that run, whatever another one has sent before", async () => {
  const { queue, order, ask } = orderTest({ capacity: 4, queueLimit: 300 });
  const slots = await Promise.all([1, 2, 3, 4].map(() => queue.acquire(undefined, { account: "a" })));
  const flood = Array.from({ length: 200 }, (_, index) => ask(`a${index}`, { account: "a" }));
  const single = ask("b", { account: "b" });
  for (const slot of slots) slot[Symbol.dispose]();
  await Promise.all([...flood, single]);
  assert.ok(order.indexOf("b") < 4, `it was number ${order.indexOf("b")}`);
  assert.equal(order.length, 201);
});

Deno.test("accounts take turns, then the conversations of an account, then the first to come", async () => {
  const { queue, order, ask } = orderTest();
  const slot = await queue.acquire(undefined, { account: "a", conversation: "1" });
  const all = [
    ask("a1", { account: "a", conversation: "1" }),
    ask("a1 again", { account: "a", conversation: "1" }),
    ask("a2", { account: "a", conversation: "2" }),
    ask("b1", { account: "b", conversation: "1" }),
    ask("b1 again", { account: "b", conversation: "1" }),
    ask("none", {}),
  ];
  slot[Symbol.dispose]();
  await Promise.all(all);
  assert.deepEqual(order, ["b1", "none", "a2", "b1 again", "a1", "a1 again"]);
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

Deno.test("interactive requests go first, and never keep a background one waiting for good", async () => {
  const { queue, order, ask } = orderTest();
  const slot = await queue.acquire(undefined, {});
  const all = [ask("background", { account: "c", background: true })];
  for (let index = 0; index < 30; index++) all.push(ask("interactive", { account: "a" }));
  slot[Symbol.dispose]();
  await Promise.all(all);
  const at = order.indexOf("background");
  assert.ok(at >= 5 && at <= 10, `it was number ${at}`);
});

Deno.test("a full queue takes the request of an account with fewer, and the one with the most gives its newest up", async () => {
  const { queue, order, ask } = orderTest({ queueLimit: 3 });
  const slot = await queue.acquire(undefined, { account: "a" });
  const first = ask("a1", { account: "a" });
  const background = ask("a background", { account: "a", background: true });
  const last = ask("a3", { account: "a" });
  const refusals = [background, last].map((refused) => assert.rejects(refused, { code: "queue_full" }));
  await assert.rejects(ask("a4", { account: "a", background: true }), { code: "queue_full" });
  const others = [ask("b1", { account: "b" }), ask("c1", { account: "c" })];
  await Promise.all(refusals);
  assert.equal(queue.waiting, 3);
  await assert.rejects(ask("b2", { account: "b" }), { code: "queue_full" }, "it would only change places");
  slot[Symbol.dispose]();
  await Promise.all([first, ...others]);
  assert.deepEqual(order, ["b1", "c1", "a1"]);
});

Deno.test("an interactive request takes the place of its own account's background one", async () => {
  const { queue, order, ask } = orderTest({ queueLimit: 1 });
  const slot = await queue.acquire(undefined, { account: "a" });
  const refused = assert.rejects(ask("background", { account: "a", background: true }), {
    code: "queue_full",
  });
  const asked = ask("interactive", { account: "a" });
  await refused;
  slot[Symbol.dispose]();
  await asked;
  assert.deepEqual(order, ["interactive"]);
});
