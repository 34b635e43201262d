/** Tests the bounds of the backoff and that a wait can be aborted. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { backoffMs, delay } from "./backoff.ts";

Deno.test("a wait lies between half and all of its ceiling and never above the cap", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, r) => {
        const ceiling = Math.min(60_000, 100 * 2 ** Math.min(n - 1, 30));
        const wait = backoffMs(n, { baseMs: 100, capMs: 60_000, random: () => r });
        assert.ok(wait >= Math.floor(ceiling / 2) && wait <= ceiling);
      },
    ),
  );
});

Deno.test("a delay rejects with the signal's reason when it aborts, before or during the wait", async () => {
  const reason = new Error("enough");
  await assert.rejects(delay(60_000, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const waiting = delay(60_000, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(waiting, reason);
});
