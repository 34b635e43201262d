/** Tests of delivery past refusals, of the watch over them, and of doing a few things at a time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { errorBodyOf, UserError } from "../../lib/errors.ts";
import { ApiError } from "../../lib/errors.ts";
import { RemoteError, UnreachableError } from "../../lib/http/client.ts";
import { type Refusal, Refusals, sendWithBisection } from "./message_upload.ts";

function refusal(code: "validation_failed" | "payload_too_large", path = "messages.0.text"): RemoteError {
  const details = [{ path, message: "bad" }];
  return new RemoteError(errorBodyOf(new ApiError(code, "refused", { details }), "r"), null);
}

interface Delivered {
  accepted: number[];
  refused: [number, Refusal][];
  requests: number;
}

async function deliverTo(items: number[], send: (items: readonly number[]) => void): Promise<Delivered> {
  const delivered: Delivered = { accepted: [], refused: [], requests: 0 };
  await sendWithBisection(items, {
    field: "messages",
    send: (batch) => {
      delivered.requests++;
      send(batch);
      delivered.accepted.push(...batch);
      return Promise.resolve();
    },
    refuse: (batch, why) => delivered.refused.push(...batch.map((item): [number, Refusal] => [item, why])),
  });
  return delivered;
}

Deno.test("whatever items are bad, every good one arrives, in order, and exactly the bad ones are refused", async () => {
  const items = Array.from({ length: 100 }, (_, index) => index);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 0, max: 99 })), async (bad) => {
      const isBad = new Set(bad);
      const delivered = await deliverTo(items, (batch) => {
        if (batch.some((item) => isBad.has(item))) throw refusal("validation_failed");
      });
      assert.deepEqual(delivered.accepted, items.filter((item) => !isBad.has(item)));
      assert.deepEqual(delivered.refused.map(([item]) => item), items.filter((item) => isBad.has(item)));
    }),
    { numRuns: 40 },
  );
});

Deno.test("one bad item among a thousand costs about twenty requests", async () => {
  const items = Array.from({ length: 1_000 }, (_, index) => index);
  const delivered = await deliverTo(items, (batch) => {
    if (batch.includes(617)) throw refusal("validation_failed");
  });
  assert.ok(delivered.requests <= 22, `${delivered.requests} requests`);
  assert.deepEqual(delivered.refused, [[617, { code: "validation_failed", path: "messages.0.text" }]]);
});

Deno.test("a batch too large is halved until it fits, and a single item too large is refused", async () => {
  const items = [1, 2, 3, 900, 4, 5];
  const delivered = await deliverTo(items, (batch) => {
    if (batch.reduce((sum, size) => sum + size, 0) > 8) throw refusal("payload_too_large", "");
  });
  assert.deepEqual(delivered.accepted, [1, 2, 3, 4, 5]);
  assert.deepEqual(delivered.refused, [[900, { code: "payload_too_large", path: "" }]]);
});

Deno.test("a fault outside the items is not searched for in them: the complete batch is refused at once", async () => {
  const delivered = await deliverTo([1, 2, 3], () => {
    throw refusal("validation_failed", "conversationImessageId");
  });
  assert.equal(delivered.requests, 1);
  assert.deepEqual(delivered.refused.map(([item]) => item), [1, 2, 3]);
});

Deno.test("any other failure is thrown as it is", async () => {
  const away = new UnreachableError("gone");
  await assert.rejects(
    deliverTo([1, 2], () => {
      throw away;
    }),
    away,
  );
});

const item = { kind: "message", rowId: 1, digest: "d", code: "validation_failed", path: "p" } as const;

Deno.test("refused items are collected and counted; a server that accepts nothing stops the sync", () => {
  const refusals = new Refusals();
  for (let count = 0; count < 250; count++) {
    refusals.add([item]);
    if (count % 50 === 0) refusals.noteAccepted();
  }
  assert.equal(refusals.total, 250);
  assert.equal(refusals.take().length, 250);
  assert.deepEqual(refusals.take(), []);
  assert.throws(() => refusals.add(Array(100).fill(item)), UserError);
});
