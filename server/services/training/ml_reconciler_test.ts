// The sweeper: passes at the start, in time and when nudged; more seldom while they fail; none after its end.
import assert from "node:assert/strict";
import { createLogger } from "../../../lib/log.ts";
import { FakeClock } from "../../../tests/support/process/fake_clock.ts";
import { MlServer } from "../../../tests/support/ml/ml_server.ts";
import { openTestStore } from "../../../tests/support/server/server_store.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import { createMlClient } from "../../clients/ml.ts";
import { MlSweeper } from "./ml_reconciler.ts";
import { createJobFollower } from "./training_job_sync.ts";

interface Swept extends AsyncDisposable {
  sweeper: MlSweeper;
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
  const follower = createJobFollower({ ...store, jobs: store.trainingJobs, ml, log });
  const seen = { passes: 0, failing: false };
  // Each pass begins with one look into the outbox, which is empty here.
  const mlOutbox: MlOutboxStore = {
    ...store.mlOutbox,
    list: (range) => {
      seen.passes++;
      return seen.failing ? Promise.reject(new Error("The database is away")) : store.mlOutbox.list(range);
    },
  };
  const sweeper = stack.use(new MlSweeper({ ...store, mlOutbox, follower, ml, log, clock }));
  sweeper.start();
  const held = stack.move();
  const dispose = () => held.disposeAsync();
  return Object.assign(seen, { sweeper, clock, [Symbol.asyncDispose]: dispose });
}

Deno.test("a pass comes at the start, then every five seconds, and none after the end", async () => {
  await using swept = await startSweeper();
  const { sweeper, clock } = swept;
  clock.advance(0);
  assert.equal(swept.passes, 1);
  await sweeper.sweep();
  for (const expected of [2, 3]) {
    clock.advance(4_999);
    assert.equal(swept.passes, expected - 1);
    clock.advance(1);
    assert.equal(swept.passes, expected);
    await sweeper.sweep();
  }
  await sweeper[Symbol.asyncDispose]();
  sweeper.nudge();
  clock.advance(3_600_000);
  assert.equal(swept.passes, 3);
});

Deno.test("a nudge brings the next pass at once, also one that comes while a pass is under way", async () => {
  await using swept = await startSweeper();
  const { sweeper, clock } = swept;
  clock.advance(0);
  await sweeper.sweep();
  sweeper.nudge();
  clock.advance(0);
  assert.equal(swept.passes, 2);
  sweeper.nudge();
  await sweeper.sweep();
  clock.advance(0);
  assert.equal(swept.passes, 3);
});

Deno.test("passes that fail come more and more seldom, and in time again once one succeeds", async () => {
  await using swept = await startSweeper();
  const { sweeper, clock } = swept;
  swept.failing = true;
  for (let expected = 1; expected <= 10; expected++) {
    clock.advance(60_000);
    assert.equal(swept.passes, expected);
    await sweeper.sweep();
  }
  swept.failing = false;
  clock.advance(29_999);
  assert.equal(swept.passes, 10);
  clock.advance(30_001);
  assert.equal(swept.passes, 11);
  await sweeper.sweep();
  clock.advance(5_000);
  assert.equal(swept.passes, 12);
});
