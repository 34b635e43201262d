// The reconciler: passes at the start, in time and when nudged; more seldom while they fail; none after its end.
import assert from "node:assert/strict";
import { createLogger } from "../../../lib/log.ts";
import { FakeClock } from "../../../tests/support/process/fake_clock.ts";
import { MlServer } from "../../../tests/support/ml/ml_server.ts";
import { openTestStore } from "../../../tests/support/server/server_store.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import { createMlClient } from "../../clients/ml.ts";
import { MlReconciler } from "./ml_reconciler.ts";
import { createTrainingJobSync } from "./training_job_sync.ts";

interface Swept extends AsyncDisposable {
  reconciler: MlReconciler;
  clock: FakeClock;
  /** Passes that have begun. */
  readonly passes: number;
  /** Passes fail from now on, as they do while the database is away. */
  failing: boolean;
}

async function startSweeper(): Promise<Swept> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openTestStore());
  const ml = createMlClient({ baseUrl: stack.use(new MlServer()).url, token: null });
  const log = createLogger({ write: () => {} });
  const clock = new FakeClock();
  const jobSync = createTrainingJobSync({ ...store, jobs: store.trainingJobs, ml, log });
  const seen = { passes: 0, failing: false };
  // Each pass begins with one look into the outbox, which is empty here.
  const mlOutbox: MlOutboxStore = {
    ...store.mlOutbox,
    list: (range) => {
      seen.passes++;
      return seen.failing ? Promise.reject(new Error("The database is away")) : store.mlOutbox.list(range);
    },
  };
  const reconciler = stack.use(new MlReconciler({ ...store, mlOutbox, jobSync, ml, log, clock }));
  reconciler.start();
  const held = stack.move();
  const dispose = () => held.disposeAsync();
  return Object.assign(seen, { reconciler, clock, [Symbol.asyncDispose]: dispose });
}

Deno.test("a pass comes at the start, then every five seconds, and none after the end", async () => {
  await using swept = await startSweeper();
  const { reconciler, clock } = swept;
  clock.advance(0);
  assert.equal(swept.passes, 1);
  await reconciler.reconcile();
  for (const expected of [2, 3]) {
    clock.advance(4_999);
    assert.equal(swept.passes, expected - 1);
    clock.advance(1);
    assert.equal(swept.passes, expected);
    await reconciler.reconcile();
  }
  await reconciler[Symbol.asyncDispose]();
  reconciler.trigger();
  clock.advance(3_600_000);
  assert.equal(swept.passes, 3);
});

Deno.test("a nudge brings the next pass at once, also one that comes while a pass is under way", async () => {
  await using swept = await startSweeper();
  const { reconciler, clock } = swept;
  clock.advance(0);
  await reconciler.reconcile();
  reconciler.trigger();
  clock.advance(0);
  assert.equal(swept.passes, 2);
  reconciler.trigger();
  await reconciler.reconcile();
  clock.advance(0);
  assert.equal(swept.passes, 3);
});

Deno.test("passes that fail come more and more seldom, and in time again once one succeeds", async () => {
  await using swept = await startSweeper();
  const { reconciler, clock } = swept;
  swept.failing = true;
  for (let expected = 1; expected <= 10; expected++) {
    clock.advance(60_000);
    assert.equal(swept.passes, expected);
    await reconciler.reconcile();
  }
  swept.failing = false;
  clock.advance(29_999);
  assert.equal(swept.passes, 10);
  clock.advance(30_001);
  assert.equal(swept.passes, 11);
  await reconciler.reconcile();
  clock.advance(5_000);
  assert.equal(swept.passes, 12);
});
