/** Tests how often steps are told: a young job's soon, a long one's seldom, and a day of them takes little room. */
import assert from "node:assert/strict";
import { StepPace } from "./training_progress.ts";

/** When steps are told, in milliseconds from the beginning, if one is taken each `stepMs`. */
function toldTimes(options: { durationMs: number; stepMs: number }): number[] {
  let now = 1_000;
  const pace = new StepPace(() => now);
  const times: number[] = [];
  for (let at = 0; at < options.durationMs; at += options.stepMs) {
    now = 1_000 + at;
    if (!pace.isDue) continue;
    pace.told();
    times.push(at);
  }
  return times;
}

Deno.test("the first step is told, and in the first minutes five a second", () => {
  const times = toldTimes({ durationMs: 60_000, stepMs: 10 });
  assert.deepEqual(times.slice(0, 3), [0, 200, 400]);
  assert.equal(times.length, 300);
});

Deno.test("every step is told while they are slow", () => {
  assert.equal(toldTimes({ durationMs: 600_000, stepMs: 1_000 }).length, 600);
  assert.equal(toldTimes({ durationMs: 86_400_000, stepMs: 20_000 }).length, 4_320);
});

Deno.test("a day of quick steps is told in some thousands, at most ten seconds apart", () => {
  const times = toldTimes({ durationMs: 86_400_000, stepMs: 50 });
  assert.ok(times.length < 15_000, String(times.length));
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  assert.equal(Math.max(...gaps), 10_000);
});
