/** Tests which series of samples count as flat. */
import assert from "node:assert/strict";
import { memoryTrend } from "./memory_trend.ts";

const MB = 1024 * 1024;

/** A sample every five seconds of twenty minutes. */
function samplesOf(bytesAt: (minute: number) => number) {
  return Array.from({ length: 241 }, (_, index) => ({ atMs: index * 5_000, bytes: bytesAt(index / 12) }));
}

/** Fills up by 40 MB and falls again, each 70 seconds. */
const sawtooth = (minute: number) => (minute * 60 % 70) / 70 * 40 * MB;

Deno.test("a garbage collector's sawtooth is flat", () => {
  const trend = memoryTrend(samplesOf((minute) => 150 * MB + sawtooth(minute)));
  assert.ok(trend.isFlat, `${trend.rise}`);
});

Deno.test("a start that fills caches in the first half is flat", () => {
  const trend = memoryTrend(samplesOf((minute) => (100 + 10 * Math.min(minute, 9)) * MB));
  assert.deepEqual([trend.bytesPerMinute, trend.rise, trend.isFlat], [0, 0, true]);
});

Deno.test("a leak of 2 MB a minute below a sawtooth is not flat", () => {
  const trend = memoryTrend(samplesOf((minute) => (150 + 2 * minute) * MB + sawtooth(minute)));
  assert.equal(trend.isFlat, false, `${trend.rise}`);
  assert.ok(Math.abs(trend.bytesPerMinute / MB - 2) < 0.5, `${trend.bytesPerMinute / MB}`);
});

Deno.test("without samples, or with a process that is gone, nothing counts as flat", () => {
  assert.equal(memoryTrend([]).isFlat, false);
  assert.equal(memoryTrend(samplesOf(() => 0)).isFlat, false);
});
