/** Tests of when the running agent works next. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  afterFailure,
  afterFullSync,
  afterHeartbeat,
  afterSync,
  EVERYTHING_DUE,
  failuresOf,
  nextWait,
} from "./schedule.ts";
import type { SyncFailure } from "./sync_failure.ts";

const NOW_MS = Date.parse("2026-01-01T10:00:00Z");
const MINUTE_MS = 60_000;
const SYNCED = { isIncomplete: false, nowMs: NOW_MS };

function failure(phase: SyncFailure["phase"], retryAfterMs: number | null = null): SyncFailure {
  return { phase, code: "", message: "", fix: null, retryAfterMs };
}

Deno.test("an idle agent works next at its heartbeat, and an hour after a full sync at the next one", () => {
  const synced = afterSync(afterHeartbeat(afterFullSync(EVERYTHING_DUE, NOW_MS), NOW_MS), SYNCED);
  assert.deepEqual(nextWait(synced, NOW_MS), { timeoutMs: 5 * MINUTE_MS, endsOn: "any_change" });
  const later = NOW_MS + 58 * MINUTE_MS;
  assert.equal(nextWait(afterHeartbeat(synced, later), later).timeoutMs, 2 * MINUTE_MS);
});

Deno.test("rows that Messages is still writing are read again after a second", () => {
  assert.equal(
    nextWait(afterSync(EVERYTHING_DUE, { ...SYNCED, isIncomplete: true }), NOW_MS).timeoutMs,
    1_000,
  );
});

Deno.test("waits for a server grow with each failure, and only a new pairing shortens them", () => {
  let state = EVERYTHING_DUE;
  for (const capMs of [1_000, 2_000, 4_000, 8_000]) {
    state = afterFailure(state, failure("server_unreachable"));
    const { timeoutMs, endsOn } = nextWait(state, NOW_MS);
    assert.ok(timeoutMs >= capMs / 2 && timeoutMs <= capMs, `${timeoutMs}`);
    assert.equal(endsOn, "new_pairing");
  }
  assert.equal(failuresOf(state), 4);
  assert.equal(failuresOf(afterSync(state, SYNCED)), 0);
});

Deno.test("no wait is negative or longer than an hour, whatever the clock and the server say", () => {
  const anyTime = fc.integer({ min: 0, max: 2 * NOW_MS });
  const anyPhase = fc.constantFrom<SyncFailure["phase"]>(
    "server_unreachable",
    "pairing_ended",
    "database_unreadable",
    "failed",
  );
  fc.assert(
    fc.property(anyTime, anyTime, anyPhase, fc.option(fc.nat()), (earlierMs, nowMs, phase, askedMs) => {
      const before = afterHeartbeat(afterFullSync(EVERYTHING_DUE, earlierMs), earlierMs);
      for (
        const state of [
          afterSync(before, { isIncomplete: false, nowMs }),
          afterFailure(before, failure(phase, askedMs)),
        ]
      ) {
        const { timeoutMs } = nextWait(state, nowMs);
        assert.ok(timeoutMs >= 0 && timeoutMs <= 60 * MINUTE_MS, `${timeoutMs}`);
      }
    }),
  );
});
