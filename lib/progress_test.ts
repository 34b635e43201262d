/** Tests what a bar draws and how seldom a log is written. */
import assert from "node:assert/strict";
import { createLogger } from "./log.ts";
import { formatBytes, startProgress } from "./progress.ts";

function rig(
  draws: boolean,
): {
  drawn: string[];
  lines: string[];
  at: (ms: number) => void;
  start: () => ReturnType<typeof startProgress>;
} {
  const drawn: string[] = [];
  const lines: string[] = [];
  let nowMs = 0;
  const log = createLogger({ pretty: false, write: (line) => lines.push(line) });
  return {
    drawn,
    lines,
    at: (ms) => void (nowMs = ms),
    start: () =>
      startProgress({
        label: "Copying",
        total: 2_000_000,
        format: formatBytes,
        log,
        draw: draws ? (text) => void drawn.push(text) : null,
        now: () => nowMs,
      }),
  };
}

Deno.test("a bar shows share, amounts and rate, is not redrawn at every step, and ends its line once", () => {
  const { drawn, at, start } = rig(true);
  const progress = start();
  progress.update(0);
  at(1_000);
  progress.update(1_000_000);
  at(1_001);
  progress.update(1_100_000);
  at(2_000);
  progress.update(2_000_000);
  progress.finish();
  progress.finish();
  assert.equal(drawn.length, 4);
  assert.match(drawn[1] ?? "", /Copying █{15}░{15} 50 % 1.0 MB of 2.0 MB, 1.0 MB\/s/);
  assert.match(drawn[2] ?? "", /100 %/);
  assert.equal(drawn[3], "\n");
});

Deno.test("without a terminal a log line comes now and then, and at the end", () => {
  const { lines, at, start } = rig(false);
  const progress = start();
  for (let second = 0; second <= 25; second++) {
    at(second * 1_000);
    progress.update(second * 80_000);
  }
  progress.finish();
  assert.deepEqual(lines.map((line) => JSON.parse(line).percent), [0, 40, 80, 100]);
});
