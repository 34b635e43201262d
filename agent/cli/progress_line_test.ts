/** Tests of the progress of a long sync: its words, and when they are shown. */
import assert from "node:assert/strict";
import { capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { countText, durationText, progressLine, progressText } from "./progress_line.ts";

Deno.test("counts and durations read as a person says them", () => {
  assert.equal(countText(1_234_567), "1,234,567");
  assert.equal(durationText(480), "0.5 s");
  assert.equal(durationText(59_949), "59.9 s");
  assert.equal(durationText(59_999), "1 min 0 s");
  assert.equal(durationText(125_000), "2 min 5 s");
  assert.equal(durationText(119_700), "2 min 0 s");
});

Deno.test("progress tells how much, how fast and how long it will take", () => {
  assert.equal(
    progressText({ rowsDone: 12_500, rowsTotal: 50_000 }, 5_000),
    "12,500 of 50,000 (25 %), 2,500/s, about 15.0 s left",
  );
  assert.equal(progressText({ rowsDone: 0, rowsTotal: 10 }, 1_000), "0 of 10 (0 %)");
  assert.equal(progressText({ rowsDone: 0, rowsTotal: 0 }, 0), "0 of 0 (100 %)");
});

Deno.test("rows that arrive during the sync never make it more than complete", () => {
  assert.match(progressText({ rowsDone: 12, rowsTotal: 10 }, 1_000), /\(100 %\), 12\/s, about 0\.0 s left$/);
});

function shownAt(timesMs: number[], options: { isTerminal: boolean; silent?: boolean }) {
  const output = capturedOutput(options.isTerminal);
  let time = 0;
  const progress = progressLine(output, { now: () => time, silent: options.silent });
  for (time of timesMs) progress.show({ rowsDone: time, rowsTotal: 100_000 });
  progress.clear();
  progress.clear();
  return output;
}

Deno.test("a terminal shows a bar once the sync lasts, and clears it once", () => {
  const { lines, rewrites } = shownAt([100, 25_000, 100_000], { isTerminal: true });
  assert.deepEqual(lines, []);
  assert.deepEqual(rewrites, [
    "Messages [######------------------] 25,000 of 100,000 (25 %), 1,000/s, about 1 min 15 s left",
    "Messages [########################] 100,000 of 100,000 (100 %), 1,000/s, about 0.0 s left",
    "",
  ]);
});

Deno.test("elsewhere a plain line appears at most every five seconds", () => {
  const { lines, rewrites } = shownAt([1_000, 5_000, 6_000, 9_999, 10_000], { isTerminal: false });
  assert.deepEqual(rewrites, []);
  assert.deepEqual(lines.map((line) => line.split(" ", 2)[1]), ["5,000", "10,000"]);
});

Deno.test("a silent progress shows nothing", () => {
  const { lines, rewrites } = shownAt([10_000, 90_000], { isTerminal: true, silent: true });
  assert.deepEqual([lines, rewrites], [[], []]);
});
