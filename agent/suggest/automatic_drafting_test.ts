// Tests of when the running agent drafts by itself, on a clock that a test turns.
import assert from "node:assert/strict";
import { createLogger } from "../../lib/log.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { AutomaticDrafting } from "./automatic_drafting.ts";
import type { AutomaticRound } from "./automatic_suggestions.ts";

/** Lets everything happen that waits for nothing but its turn. */
async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

const NOTHING: AutomaticRound = { made: [], isWaiting: false, failure: null };

/** A drafting whose rounds a test ends itself. */
function draftingUnderTest() {
  const clock = new FakeClock();
  const rounds: PromiseWithResolvers<AutomaticRound>[] = [];
  const lines: string[] = [];
  const drafting = new AutomaticDrafting({
    clock,
    log: createLogger({ pretty: false, write: (line) => lines.push(line) }),
    draft: () => {
      const round = Promise.withResolvers<AutomaticRound>();
      rounds.push(round);
      return round.promise;
    },
  });
  const synced = (count: number) =>
    drafting.notice({ phase: "watching", lastSyncAt: new Date(count).toISOString() });
  /** Ends the last round, and lets what follows from it happen. */
  const end = async (round: AutomaticRound | Error) => {
    if (round instanceof Error) rounds.at(-1)?.reject(round);
    else rounds.at(-1)?.resolve(round);
    await microtasks();
  };
  return { clock, rounds, lines, drafting, synced, end };
}

Deno.test("a run follows a sync after a pause, and further syncs until then lead to the same one", async () => {
  const { clock, rounds, drafting, synced, end } = draftingUnderTest();
  drafting.notice({ phase: "syncing", lastSyncAt: null });
  clock.advance(60_000);
  assert.equal(rounds.length, 0);
  synced(1);
  clock.advance(7_999);
  synced(2);
  assert.equal(rounds.length, 0);
  clock.advance(1);
  assert.equal(rounds.length, 1);
  await end(NOTHING);
  synced(2);
  clock.advance(600_000);
  assert.equal(rounds.length, 1, "the same state again is no new sync");
});

Deno.test("what is synced during a run, and what was still being typed, leads to another run", async () => {
  const { clock, rounds, synced, end } = draftingUnderTest();
  synced(1);
  clock.advance(8_000);
  synced(2);
  clock.advance(600_000);
  assert.equal(rounds.length, 1, "one round at a time");
  await end(NOTHING);
  clock.advance(8_000);
  assert.equal(rounds.length, 2);
  await end({ ...NOTHING, isWaiting: true });
  clock.advance(8_000);
  assert.equal(rounds.length, 3);
  await end(NOTHING);
  clock.advance(600_000);
  assert.equal(rounds.length, 3);
});

Deno.test("a failed run is repeated, later each time, and the log contains nothing that people wrote", async () => {
  const { clock, rounds, lines, synced, end } = draftingUnderTest();
  synced(1);
  clock.advance(8_000);
  await end(new Error("Dinner on Friday?"));
  clock.advance(4_999);
  assert.equal(rounds.length, 1);
  clock.advance(5_001);
  assert.equal(rounds.length, 2);
  await end(new Error("Dinner on Friday?"));
  clock.advance(9_999);
  assert.equal(rounds.length, 2);
  clock.advance(10_001);
  assert.equal(rounds.length, 3);
  await end(NOTHING);
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => !line.includes("Dinner")), lines.join("\n"));
});

Deno.test("one conversation that fails delays no other: the next sync leads to a run, and without one it is retried later", async () => {
  const { clock, rounds, lines, synced, end } = draftingUnderTest();
  const partly = { ...NOTHING, failure: new Error("Dinner on Friday?") };
  for (const count of [1, 2, 3, 4, 5, 6, 7]) {
    synced(count);
    clock.advance(8_000);
    assert.equal(rounds.length, count);
    await end(partly);
  }
  clock.advance(10 * 60_000);
  assert.equal(rounds.length, 8);
  assert.ok(lines.every((line) => line.includes("Nothing could be drafted") && !line.includes("Dinner")));
});

Deno.test("while nothing can be drafted at all, a sync is no reason to ask sooner", async () => {
  const { clock, rounds, synced, end } = draftingUnderTest();
  synced(1);
  clock.advance(8_000);
  for (let failures = 1; failures < 8; failures++) {
    await end(new Error("away"));
    clock.advance(10 * 60_000);
  }
  assert.equal(rounds.length, 8);
  await end(new Error("away"));
  synced(2);
  clock.advance(60_000);
  assert.equal(rounds.length, 8);
});

Deno.test("after its end it starts no further run", async () => {
  const { clock, rounds, drafting, synced, end } = draftingUnderTest();
  synced(1);
  clock.advance(8_000);
  drafting[Symbol.dispose]();
  await end({ ...NOTHING, isWaiting: true });
  synced(2);
  clock.advance(600_000);
  assert.equal(rounds.length, 1);
});
