/** The verdict on a test run: reads the runner's closing line and report, and says in plain words what they mean. */

/** What the test runner counted; steps of tests are not counted as tests, ignored steps count as ignored. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
  /** Passed tests and passed steps together: what the report lists as cases without a fault. */
  readonly passedCases: number;
}

/** How a run ended: the sentences that say what is wrong with it besides failed tests, and its closing line. */
export interface Verdict {
  readonly ok: boolean;
  readonly faults: readonly string[];
  /** `N passed, N failed`, followed by `, N ignored` when tests were ignored. */
  readonly closing: string;
}

const STEPS = String.raw`(?: \((\d+) steps?\))?`;

/** As `deno test` ends its output: `ok | 3 passed (2 steps) | 0 failed | 1 ignored (20ms)`. */
const CLOSING_LINE = new RegExp(
  String
    .raw`^(?:ok|FAILED) \| (\d+) passed${STEPS} \| (\d+) failed${STEPS}(?: \| (\d+) ignored${STEPS})?[^\n]*\(`,
  "gm",
);

// deno-lint-ignore no-control-regex -- colours are control sequences
const COLOURS = /\x1b\[[\d;]*m/g;

/** Reads the counts from the last closing line in the runner's output; undefined when it holds none. */
export function readClosingLine(output: string): TestCounts | undefined {
  const found = [...output.replace(COLOURS, "").matchAll(CLOSING_LINE)].at(-1);
  if (found === undefined) return undefined;
  const [passed = 0, passedSteps = 0, failed = 0, , ignored = 0, ignoredSteps = 0] = found.slice(1)
    .map((digits) => Number(digits ?? 0));
  return { passed, failed, ignored: ignored + ignoredSteps, passedCases: passed + passedSteps };
}

/** Counts the cases without a fault in the runner's JUnit report. */
export function passedCasesOf(report: string): number {
  const count = (tag: string): number => report.split(tag).length - 1;
  return count("<testcase ") - count("<failure ") - count("<error ") - count("<skipped/>");
}

/**
 * Judges a run by its exit code, closing line and report: it is good only when tests ran, all passed, none was
 * ignored, and all three agree. A run that is bad without a failed test counts itself as one failure.
 */
export function verdictOf(run: { exitCode: number; output: string; report: string | undefined }): Verdict {
  const counts = readClosingLine(run.output);
  if (counts === undefined) {
    return failure([`The test runner ended with code ${run.exitCode} before it gave a result`]);
  }
  const faults: string[] = [];
  const reported = run.report === undefined ? undefined : passedCasesOf(run.report);
  if (counts.passed + counts.failed === 0) faults.push("No test ran");
  if (counts.ignored > 0) faults.push(`Every test must run: ${counts.ignored} ignored`);
  if (reported !== counts.passedCases) {
    faults.push(
      `The runner's report lists ${reported ?? "no"} passed cases, its last line ${counts.passedCases}`,
    );
  }
  if (run.exitCode !== 0 && counts.failed === 0) {
    faults.push(`The test runner ended with code ${run.exitCode} though no test failed`);
  }
  if (faults.length > 0 && counts.ignored === 0) return failure(faults, counts);
  return { ok: faults.length === 0 && counts.failed === 0, faults, closing: closingLine(counts) };
}

function failure(faults: string[], counts?: TestCounts): Verdict {
  const { passed = 0, failed = 0, ignored = 0 } = counts ?? {};
  return { ok: false, faults, closing: closingLine({ passed, failed: Math.max(failed, 1), ignored }) };
}

function closingLine({ passed, failed, ignored }: Pick<TestCounts, "passed" | "failed" | "ignored">): string {
  return `${passed} passed, ${failed} failed${ignored > 0 ? `, ${ignored} ignored` : ""}`;
}
