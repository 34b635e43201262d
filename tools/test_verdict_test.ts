/** Tests of the verdict on a test run, on the runner's own words. */

import assert from "node:assert/strict";
import { passedCasesOf, readClosingLine, verdictOf } from "./test_verdict.ts";

/** A JUnit report with as many cases without a fault, and one of each other kind. */
function reportOf(passed: number): string {
  const bad = ["failure message=", "error message="].map((tag) =>
    `<testcase name="b">\n<${tag}"x">y</f>\n</testcase>`
  );
  const skipped = '<testcase name="s">\n<skipped/>\n</testcase>';
  return [...Array(passed).fill('<testcase name="p">\n</testcase>'), ...bad, skipped].join("\n");
}

Deno.test("the closing line is read with steps, ignored, measured and filtered tests, in colours", () => {
  const lines: [string, number[]][] = [
    ["ok | 3 passed | 0 failed (20ms)", [3, 0, 0, 3]],
    ["ok | 1 passed (1 step) | 0 failed (1s)", [1, 0, 0, 2]],
    ["FAILED | 12 passed (4 steps) | 2 failed (3 steps) | 1 ignored (2 steps) | 5 filtered out (1m2s)", [
      12,
      2,
      3,
      16,
    ]],
    ["ok | 0 passed | 0 failed | 3 filtered out (5ms)", [0, 0, 0, 0]],
    ["\x1b[0m\x1b[32mok\x1b[0m | 7 passed | 0 failed \x1b[0m\x1b[38;5;245m(15ms)\x1b[0m", [7, 0, 0, 7]],
  ];
  for (const [line, [passed, failed, ignored, passedCases]] of lines) {
    assert.deepEqual(
      readClosingLine(`a ... ok\n\n${line}\n\n`),
      { passed, failed, ignored, passedCases },
      line,
    );
  }
});

Deno.test("only the last closing line counts, and only as a line of its own", () => {
  const output =
    "ok | 9 passed | 0 failed (1ms)\nsaid: ok | 8 passed | 0 failed (1ms)\nok | 1 passed | 0 failed (1ms)\n";
  assert.equal(readClosingLine(output)?.passed, 1);
  assert.equal(readClosingLine("error: Type checking failed.\n"), undefined);
});

Deno.test("the report counts the cases that did not fail and were not skipped", () => {
  assert.equal(passedCasesOf(reportOf(4)), 4);
  assert.equal(passedCasesOf("<testsuites></testsuites>"), 0);
});

Deno.test("a run is good when tests ran, all passed and the report agrees", () => {
  const run = { exitCode: 0, output: "ok | 2 passed (1 step) | 0 failed (1ms)\n", report: reportOf(3) };
  assert.deepEqual(verdictOf(run), { ok: true, faults: [], closing: "2 passed, 0 failed" });
});

Deno.test("a run with failed tests ends with their number", () => {
  const run = { exitCode: 1, output: "FAILED | 2 passed | 2 failed (1ms)\n", report: reportOf(2) };
  assert.deepEqual(verdictOf(run), { ok: false, faults: [], closing: "2 passed, 2 failed" });
});

Deno.test("ignored tests are named in the closing line and fail the run", () => {
  const run = { exitCode: 0, output: "ok | 2 passed | 0 failed | 1 ignored (1ms)\n", report: reportOf(2) };
  const faults = ["Every test must run: 1 ignored"];
  assert.deepEqual(verdictOf(run), { ok: false, faults, closing: "2 passed, 0 failed, 1 ignored" });
});

Deno.test("a run that is bad without a failed test never says 0 failed", () => {
  const bad: [string, Parameters<typeof verdictOf>[0], string][] = [
    [
      "no result",
      { exitCode: 1, output: "error: Type checking failed.\n", report: undefined },
      "0 passed, 1 failed",
    ],
    [
      "no test",
      { exitCode: 0, output: "ok | 0 passed | 0 failed | 3 filtered out (1ms)\n", report: reportOf(0) },
      "0 passed, 1 failed",
    ],
    [
      "no report",
      { exitCode: 0, output: "ok | 2 passed | 0 failed (1ms)\n", report: undefined },
      "2 passed, 1 failed",
    ],
    [
      "other report",
      { exitCode: 0, output: "ok | 2 passed | 0 failed (1ms)\n", report: reportOf(1) },
      "2 passed, 1 failed",
    ],
    [
      "exit code",
      { exitCode: 1, output: "ok | 2 passed | 0 failed (1ms)\n", report: reportOf(2) },
      "2 passed, 1 failed",
    ],
  ];
  for (const [name, run, closing] of bad) {
    const verdict = verdictOf(run);
    assert.deepEqual({ ok: verdict.ok, closing: verdict.closing }, { ok: false, closing }, name);
    assert.equal(verdict.faults.length, 1, name);
  }
});
