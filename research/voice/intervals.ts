/** Intervals of figures over people: how far a median could be off because other people could have been measured. */
import { median } from "../../bench/support/bench_output.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";

const RESAMPLES = 2_000;
/** The interval of fewer is no interval. */
const MIN_PEOPLE = 5;

/** The 95 % interval of a median, by drawing the people again (Efron and Tibshirani 1993, chapter 13); null of few. */
export function medianInterval(values: readonly number[]): [low: number, high: number] | null {
  if (values.length < MIN_PEOPLE) return null;
  const random = seededRandom(1);
  const drawn = Array.from(
    { length: RESAMPLES },
    () => median(values.map(() => values[Math.floor(random() * values.length)] ?? NaN)),
  ).toSorted((a, b) => a - b);
  return [drawn[RESAMPLES * 0.025] ?? NaN, drawn[RESAMPLES * 0.975 - 1] ?? NaN];
}

/** The last rows of a table of people: the medians of its columns, and their intervals. */
export function middleRows(
  columns: readonly (readonly (number | null | undefined)[])[],
  format: (value: number) => string,
): string[][] {
  const known = columns.map((column) => column.filter((value) => typeof value === "number").filter(isFinite));
  return [
    ["median", ...known.map((values) => values.length === 0 ? "" : format(median(values)))],
    ["95 % interval", ...known.map((values) => medianInterval(values)?.map(format).join(" to ") ?? "")],
  ];
}
