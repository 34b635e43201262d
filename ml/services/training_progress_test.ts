/** Tests how often steps are reported: often while a job is young, rarely once it is long. */
import assert from "node:assert/strict";
import { ReportThrottle } from "./training_progress.ts";

/** When steps are reported, in milliseconds from the start, with one step every `stepMs`. */
function reportTimes(options: { durationMs: number; stepMs: number }): number[] {
  let now = 1_000;
  const throttle = new ReportThrottle(() => now);
  const times: number[] = [];
  for (let at = 0; at < options.durationMs; at += options.stepMs) {
    now = 1_000 + at;
    if (!throttle.isDue) continue;
    throttle.reported();
    times.push(at);
  }
  return times;
}

Deno.test("the first step is reported at once, and in the first minutes five a second", () => {
  const times = reportTimes({ durationMs: 60_000, stepMs: 10 });
  assert.deepEqual(times.slice(0, 3), [0, 200, 400]);
  assert.equal(times.length, 300);
});

Deno.test("every step is reported while steps are slow", () => {
  assert.equal(reportTimes({ durationMs: 600_000, stepMs: 1_000 }).length, 600);
  assert.equal(reportTimes({ durationMs: 86_400_000, stepMs: 20_000 }).length, 4_320);
});

Deno.test("a day of fast steps gives some thousands of reports, at most ten seconds apart", () => {
  const times = reportTimes({ durationMs: 86_400_000, stepMs: 50 });
  assert.ok(times.length < 15_000, String(times.length));
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  assert.equal(Math.max(...gaps), 10_000);
});
