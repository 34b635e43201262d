/** Tests of progress: its words, its bar on a terminal of any width, and plain lines elsewhere. */
import assert from "node:assert/strict";
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { countText, durationText, formatBytes, type ProgressState, startProgress } from "./progress.ts";

Deno.test("counts and durations read as a person says them", () => {
  assert.equal(countText(1_234_567), "1,234,567");
  assert.equal(durationText(480), "0.5 s");
  assert.equal(durationText(59_949), "59.9 s");
  assert.equal(durationText(59_999), "1 min 0 s");
  assert.equal(durationText(125_000), "2 min 5 s");
  assert.equal(durationText(119_700), "2 min 0 s");
});

/** The progress in words after this time. */
async function wordsAfter(elapsedMs: number, { done, total }: { done: number; total: number }) {
  const texts: string[] = [];
  let nowMs = 0;
  const progress = await startProgress({
    label: "Messages",
    format: countText,
    terminal: null,
    plain: ({ text }) => void texts.push(text),
    initial: 0,
    now: () => nowMs,
  });
  nowMs = elapsedMs;
  progress.update(done, total);
  progress.finish();
  return texts[0] ?? "";
}

Deno.test("progress tells how much, how fast and how long it will take", async () => {
  assert.equal(
    await wordsAfter(5_000, { done: 12_500, total: 50_000 }),
    "12,500 of 50,000 (25 %), 2,500/s, about 15.0 s left",
  );
  assert.equal(await wordsAfter(1_000, { done: 0, total: 10 }), "0 of 10 (0 %)");
  assert.equal(await wordsAfter(0, { done: 0, total: 0 }), "0 of 0 (100 %)");
});

Deno.test("amounts that arrive during the work never make it more than complete", async () => {
  assert.match(await wordsAfter(1_000, { done: 12, total: 10 }), /\(100 %\), 12\/s, about 0\.0 s left$/);
});

function rig(columns: number | null) {
  const drawn: string[] = [];
  const shown: ProgressState[] = [];
  let nowMs = 0;
  return {
    drawn,
    shown,
    at: (ms: number) => void (nowMs = ms),
    start: () =>
      startProgress({
        label: "Copying",
        total: 2_000_000,
        format: formatBytes,
        terminal: columns === null ? null : {
          columns,
          write: (text) => text.startsWith("\x1b") || drawn.push(text),
        },
        plain: (state) => void shown.push(state),
        now: () => nowMs,
      }),
  };
}

Deno.test("a bar shows share, amounts and rate, is not redrawn at every step, and ends its line once", async () => {
  const { drawn, at, start } = rig(100);
  const progress = await start();
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
  assert.match(drawn[1] ?? "", /^Copying █{15}░{15} 1.0 MB of 2.0 MB \(50 %\), 1.0 MB\/s, about 1.0 s left$/);
  assert.match(drawn[2] ?? "", /100 %/);
  assert.equal(drawn[3], "\n");
});

Deno.test("without a terminal a line comes now and then, and at the end", async () => {
  const { shown, at, start } = rig(null);
  const progress = await start();
  for (let second = 0; second <= 25; second++) {
    at(second * 1_000);
    progress.update(second * 80_000);
  }
  progress.finish();
  assert.deepEqual(shown.map(({ percent }) => percent), [0, 40, 80, 100]);
});

Deno.test("a line is never longer than the terminal is wide, however narrow", async () => {
  for (let columns = 1; columns <= 120; columns++) {
    const { drawn, at, start } = rig(columns);
    const progress = await start();
    for (let second = 0; second <= 4; second++) {
      at(second * 1_000);
      progress.update(second * 500_000);
    }
    progress.finish();
    assert.equal(drawn.pop(), "\n");
    assert.ok(
      drawn.length > 0 && drawn.every(({ length }) => length < Math.max(2, columns)),
      drawn.join("\n"),
    );
  }
});

/** A program that shows progress, then prints a line. */
const PROGRAM = `
import { countText, startProgress } from "./lib/progress.ts";
const options = { label: "Messages", format: countText, plain: () => {}, clear: Deno.args[0] === "clear" };
const progress = await startProgress({ ...options, total: 100_000 });
for (let done = 0; done <= 100_000; done += 25_000) {
  progress.update(done);
  await new Promise((resolve) => setTimeout(resolve, 120));
}
progress.finish();
console.log("after");
`;

/** Runs the program on a pseudo-terminal of util-linux. */
async function onTerminal(columns: number, end: "clear" | "line"): Promise<string> {
  const command = `stty cols ${columns}; exec "$DENO_PROGRAM" eval "$PROGRAM" ${end}`;
  const { code, stdout } = await new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    cwd: PROJECT_ROOT,
    env: { DENO_PROGRAM: Deno.execPath(), PROGRAM, SHELL: "/bin/sh", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const written = new TextDecoder().decode(stdout);
  assert.equal(code, 0, written);
  return written;
}

/** What the terminal shows in the end, and every state of a line that went by. */
function screenOf(written: string, columns: number): { lines: string[]; states: string[] } {
  const lines = [""];
  const states: string[] = [];
  let [row, column] = [0, 0];
  // deno-lint-ignore no-control-regex -- a terminal is steered by control characters
  for (const [token] of written.matchAll(/\x1b\[[\d;?]*[A-Za-z]|\x1b.|[^]/gu)) {
    const line = lines[row] ?? "";
    if (token === "\r" || token === "\x1b[1G") column = 0;
    else if (token === "\n") row++;
    else if (token === "\x1b[0K") states.push(lines[row] = line.slice(0, column));
    else if (token === "\x1b[2K") lines[row] = "";
    else {
      assert.ok(!token.startsWith("\x1b"), `unexpected ${JSON.stringify(token)}`);
      if (column === columns) [row, column] = [row + 1, 0];
      const before = (lines[row] ?? "").padEnd(column);
      lines[row] = before.slice(0, column) + token + before.slice(column + 1);
      column++;
    }
    lines[row] ??= "";
  }
  return { lines, states };
}

/** `script` of util-linux gives a program a terminal; macOS has another one of that name. */
const WIDTHS = Deno.build.os === "linux" ? [80, 40] : [];

for (const columns of WIDTHS) {
  Deno.test(`on a terminal of ${columns} columns no line wraps and nothing is left over`, async () => {
    const cleared = screenOf(await onTerminal(columns, "clear"), columns);
    assert.deepEqual(cleared.lines, ["after", ""]);
    const bars = cleared.states.filter((state) => state.startsWith("Messages "));
    assert.ok(bars.length >= 4, bars.join("\n"));
    for (const bar of bars) assert.match(bar, /^Messages [█░]{5,30} .*\d %/);
    const kept = screenOf(await onTerminal(columns, "line"), columns);
    assert.match(kept.lines[0] ?? "", /^Messages █{5,30} .*100 %/);
    assert.deepEqual(kept.lines.slice(1), ["after", ""]);
  });
}
