/** Tests when the reconciler runs: at the start, periodically, when triggered, less often while it fails, never after its end. */
import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/support/process/fake_clock.ts";
import { createTestDatabase } from "../../../tests/support/postgres/postgres.ts";
import { startServerApp } from "../../../tests/support/server/server_app.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import type { MlReconciler } from "./outbox.ts";

interface RunningReconciler extends AsyncDisposable {
  reconciler: MlReconciler;
  clock: FakeClock;
  /** Passes that have begun. */
  readonly passes: number;
  /** Passes fail from now on, as they do while the database is unavailable. */
  failing: boolean;
}

async function startReconciler(): Promise<RunningReconciler> {
  await using stack = new AsyncDisposableStack();
  const { stores } = stack.use(await createTestDatabase());
  const clock = new FakeClock();
  const seen = { passes: 0, failing: false };
  // Each pass begins by listing the outbox, which is empty here.
  const mlOutbox: MlOutboxStore = {
    ...stores.mlOutbox,
    list: (range) => {
      seen.passes++;
      return seen.failing
        ? Promise.reject(new Error("The database is unavailable"))
        : stores.mlOutbox.list(range);
    },
  };
  const { reconciler } = stack.use(await startServerApp({ store: { ...stores, mlOutbox }, clock }));
  const owned = stack.move();
  const dispose = () => owned.disposeAsync();
  return Object.assign(seen, { reconciler, clock, [Symbol.asyncDispose]: dispose });
}

Deno.test("the reconciler runs at the start, then every five seconds, and never after its end", async () => {
  await using running = await startReconciler();
  const { reconciler, clock } = running;
  clock.advance(0);
  assert.equal(running.passes, 1);
  await reconciler.reconcile();
  for (const expected of [2, 3]) {
    clock.advance(4_999);
    assert.equal(running.passes, expected - 1);
    clock.advance(1);
    assert.equal(running.passes, expected);
    await reconciler.reconcile();
  }
  await reconciler[Symbol.asyncDispose]();
  reconciler.trigger();
  clock.advance(3_600_000);
  assert.equal(running.passes, 3);
});

Deno.test("a trigger runs the reconciler at once, or right after the pass that is running", async () => {
  await using running = await startReconciler();
  const { reconciler, clock } = running;
  clock.advance(0);
  await reconciler.reconcile();
  reconciler.trigger();
  clock.advance(0);
  assert.equal(running.passes, 2);
  reconciler.trigger();
  await reconciler.reconcile();
  clock.advance(0);
  assert.equal(running.passes, 3);
});

Deno.test("the reconciler runs less and less often while it fails, and on time again once it succeeds", async () => {
  await using running = await startReconciler();
  const { reconciler, clock } = running;
  running.failing = true;
  for (let expected = 1; expected <= 10; expected++) {
    clock.advance(60_000);
    assert.equal(running.passes, expected);
    await reconciler.reconcile();
  }
  running.failing = false;
  clock.advance(29_999);
  assert.equal(running.passes, 10);
  clock.advance(30_001);
  assert.equal(running.passes, 11);
  await reconciler.reconcile();
  clock.advance(5_000);
  assert.equal(running.passes, 12);
});
