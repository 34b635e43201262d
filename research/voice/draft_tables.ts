/** Tables of drafts: how well they are distinguished from replies, whose they are taken for, what they repeat and make up. */
import { median, percent, tableLines } from "../../bench/support/bench_output.ts";
import { unsupportedIn } from "../../server/services/drafts/unsupported.ts";
import { meanStyle } from "../style/reply_style.ts";
import type { Detection, PersonMetrics, PersonTexts } from "./voice_metrics.ts";

type View = keyof Detection;

/** The middle of what is known; NaN where nothing is. */
function middleOf(values: readonly (number | null | undefined)[]): number {
  return median(values.filter((value) => value !== null && value !== undefined));
}

function format(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "" : value.toFixed(2);
}

/** The arms that somebody has drafts of, in the order in which they were written. */
function armsOf(people: readonly Pick<PersonMetrics, "arms">[]): string[] {
  return [...new Set(people.flatMap(({ arms }) => Object.keys(arms)))];
}

/** Areas under the curve of a view, by person and arm; the last row has the medians. */
export function aucTable(metrics: readonly PersonMetrics[], view: View): string[] {
  const arms = armsOf(metrics);
  const cells = ({ arms: measured, selfDrift }: PersonMetrics) => [
    ...arms.map((arm) => measured[arm]?.[view]),
    selfDrift[view],
  ];
  const rows = metrics.map((person) => [person.id, ...cells(person).map(format)]);
  const middle = [...arms, "self-drift"].map((_, column) =>
    format(middleOf(metrics.map((person) => cells(person)[column])))
  );
  return tableLines(["person", ...arms, "self-drift"], [...rows, ["median", ...middle]]);
}

/** Which share of the way from the base to the person's own drift an arm has gone. */
function gapClosed({ arms, selfDrift }: PersonMetrics, arm: string, view: View): number | undefined {
  const [base, auc, drift] = [arms.base?.[view], arms[arm]?.[view], selfDrift[view]];
  if (typeof base !== "number" || typeof auc !== "number" || typeof drift !== "number") return undefined;
  return (base - auc) / (base - drift);
}

/** The share of the gap that is closed, by person and arm. */
export function gapTable(metrics: readonly PersonMetrics[], view: View): string[] {
  const arms = armsOf(metrics).filter((arm) => arm !== "base");
  const rows = metrics.map((person) => [
    person.id,
    ...arms.map((arm) => format(gapClosed(person, arm, view))),
  ]);
  const middle = arms.map((arm) => format(middleOf(metrics.map((person) => gapClosed(person, arm, view)))));
  return tableLines(["person", ...arms], [...rows, ["median", ...middle]]);
}

/** Bundles of ten drafts given to their writer, and what that is of the share of real replies. */
export function attributionTable(metrics: readonly PersonMetrics[]): string[] {
  const arms = armsOf(metrics);
  const cells = ({ attribution }: PersonMetrics) => [
    attribution?.real,
    ...arms.map((arm) => attribution?.arms[arm]),
  ];
  const rows = metrics.map((person) => [person.id, ...cells(person).map(format)]);
  const means = ["real replies", ...arms].map((_, column) => {
    const known = metrics.flatMap((person) => cells(person)[column] ?? []);
    return known.reduce((sum, value) => sum + value, 0) / known.length;
  });
  return tableLines(["person", "real replies", ...arms], [
    ...rows,
    ["mean", ...means.map(format)],
    ["÷ real", "", ...means.slice(1).map((mean) => format(mean / (means[0] ?? NaN)))],
  ]);
}

/** By arm, over all people: how drafts look, what they make up, and what they repeat of the training. */
export function contentTable(
  people: readonly PersonTexts[],
  metrics: readonly PersonMetrics[],
  prompts: ReadonlyMap<string, readonly string[]>,
): string[] {
  const row = (name: string, textsOf: (person: PersonTexts) => readonly string[] | undefined) => {
    const texts = people.flatMap((person) => textsOf(person) ?? []);
    const madeUp =
      people.flatMap((person) =>
        (textsOf(person) ?? []).map((text, index) =>
          unsupportedIn(text, prompts.get(person.id)?.[index] ?? "")
        )
      ).filter((facts) => facts.length > 0).length;
    const overlaps = metrics.flatMap(({ overlap }) =>
      (name === "real" ? overlap.real : overlap.arms[name]) ?? []
    );
    const style = meanStyle(texts);
    return [
      name,
      String(texts.length),
      style.length.toFixed(0),
      style.bubbles.toFixed(2),
      percent(style.noCapitals),
      percent(style.finalStop),
      percent(madeUp / texts.length),
      (overlaps.reduce((sum, { mean }) => sum + mean, 0) / overlaps.length).toFixed(1),
      String(Math.max(...overlaps.map(({ most }) => most))),
    ];
  };
  const rows = armsOf(metrics).map((arm) => row(arm, ({ arms }) => arms[arm]));
  const head = [
    "",
    "replies",
    "characters",
    "bubbles",
    "no capitals",
    "full stop",
    "with a made-up fact",
    "words in a row as trained",
    "most",
  ];
  return tableLines(head, [row("real", ({ real }) => real), ...rows]);
}
