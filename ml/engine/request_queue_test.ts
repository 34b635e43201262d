/** Tests the queue before the engine: order, bounds, leaving it, and what a refused caller is told. */
import assert from "node:assert/strict";
import { ApiError } from "../../lib/errors.ts";
import { Admission } from "./request_queue.ts";

/** Lets everything that is already decided happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

Deno.test("as many run as there are places, the others in order of arrival", async () => {
  const admission = new Admission({ capacity: 2, queueLimit: 8 });
  const entered: string[] = [];
  const enter = async (name: string) => {
    const place = await admission.enter();
    entered.push(name);
    return place;
  };
  const places = ["a", "b", "c", "d"].map(enter);
  await settle();
  assert.deepEqual(entered, ["a", "b"]);
  assert.deepEqual([admission.running, admission.waiting], [2, 2]);

  (await places[1])?.[Symbol.dispose]();
  await settle();
  assert.deepEqual(entered, ["a", "b", "c"]);
  (await places[0])?.[Symbol.dispose]();
  await settle();
  assert.deepEqual(entered, ["a", "b", "c", "d"]);
  for (const place of await Promise.all(places)) place[Symbol.dispose]();
  assert.deepEqual([admission.running, admission.waiting], [0, 0]);
});

Deno.test("a place given back twice counts once", async () => {
  const admission = new Admission({ capacity: 1, queueLimit: 0 });
  const place = await admission.enter();
  place[Symbol.dispose]();
  place[Symbol.dispose]();
  assert.equal(admission.running, 0);
});

Deno.test("a full queue refuses at once and says when to come again", async () => {
  const admission = new Admission({ capacity: 1, queueLimit: 1 });
  using _place = await admission.enter();
  const waiting = admission.enter();
  await assert.rejects(admission.enter(), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.code, "queue_full");
    assert.ok((error.retryAfterSeconds ?? 0) >= 1);
    return true;
  });
  _place[Symbol.dispose]();
  (await waiting)[Symbol.dispose]();
});

Deno.test("whoever leaves the queue makes room in it, and gets no place later", async () => {
  const admission = new Admission({ capacity: 1, queueLimit: 1 });
  const place = await admission.enter();
  const leaving = new AbortController();
  const reason = new Error("the client went away");
  const left = admission.enter(leaving.signal);
  leaving.abort(reason);
  await assert.rejects(left, reason);
  assert.equal(admission.waiting, 0);
  await assert.rejects(admission.enter(leaving.signal), reason);

  const next = admission.enter();
  place[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.equal(admission.running, 0);
});
