/** Tables of drafts: how well they are distinguished from replies, whose they are taken for, what they repeat and make up. */
import { percent, tableLines } from "../../bench/support/bench_output.ts";
import { unsupportedIn } from "../../server/services/drafts/unsupported.ts";
import { meanStyle } from "../style/reply_style.ts";
import { middleRows } from "./intervals.ts";
import type { Detection, PersonMetrics, PersonTexts } from "./voice_metrics.ts";

type View = keyof Detection;

function format(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "" : value.toFixed(2);
}

/** The arms that somebody has drafts of, in the order in which they were written. */
function armsOf(people: readonly Pick<PersonMetrics, "arms">[]): string[] {
  return [...new Set(people.flatMap(({ arms }) => Object.keys(arms)))];
}

/** Areas under the curve of a view, by person and arm. */
export function aucTable(metrics: readonly PersonMetrics[], view: View): string[] {
  const arms = armsOf(metrics);
  const cells = ({ arms: measured, selfDrift }: PersonMetrics) => [
    ...arms.map((arm) => measured[arm]?.[view]),
    selfDrift[view],
  ];
  const rows = metrics.map((person) => [person.id, ...cells(person).map(format)]);
  const head = [...arms, "self-drift"];
  const columns = head.map((_, column) => metrics.map((person) => cells(person)[column]));
  return tableLines(["person", ...head], [...rows, ...middleRows(columns, format)]);
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
  const columns = arms.map((arm) => metrics.map((person) => gapClosed(person, arm, view)));
  return tableLines(["person", ...arms], [...rows, ...middleRows(columns, format)]);
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

const LOOKS = ["characters", "bubbles", "no capitals", "full stop", "! or ?"];

/** How replies look on average, in the order of {@linkcode LOOKS}. */
export function looksOf(replies: readonly string[]): string[] {
  const { length, bubbles, noCapitals, finalStop, finalMark } = meanStyle(replies);
  return [length.toFixed(0), bubbles.toFixed(2), ...[noCapitals, finalStop, finalMark].map(percent)];
}

/** How each person's replies look, and the drafts of some arms. */
export function looksTable(people: readonly PersonTexts[], arms: readonly string[]): string[] {
  const rows = people.flatMap(({ id, real, arms: drafts }) => [
    [id, "really", ...looksOf(real)],
    ...arms.flatMap((arm) => drafts[arm] === undefined ? [] : [["", arm, ...looksOf(drafts[arm])]]),
  ]);
  return tableLines(["person", "", ...LOOKS], rows);
}

/** By arm, over all people who have it: how drafts look, what they make up, and what they repeat of the training. */
export function contentTable(
  people: readonly PersonTexts[],
  metrics: readonly PersonMetrics[],
  prompts: ReadonlyMap<string, readonly string[]>,
): string[] {
  const row = (name: string, textsOf: (person: PersonTexts) => readonly string[] | undefined) => {
    const texts = people.flatMap((person) => textsOf(person) ?? []);
    const madeUp = people.flatMap((person) =>
      (textsOf(person) ?? []).filter((text, index) =>
        unsupportedIn(text, prompts.get(person.id)?.[index] ?? "").length > 0
      )
    );
    const overlaps = metrics.flatMap(({ overlap }) =>
      (name === "real" ? overlap.real : overlap.arms[name]) ?? []
    );
    return [
      name,
      String(texts.length),
      ...looksOf(texts),
      percent(madeUp.length / texts.length),
      (overlaps.reduce((sum, { mean }) => sum + mean, 0) / overlaps.length).toFixed(1),
      String(Math.max(...overlaps.map(({ most }) => most))),
    ];
  };
  const rows = armsOf(metrics).map((arm) => row(arm, ({ arms }) => arms[arm]));
  const head = ["", "replies", ...LOOKS, "with a made-up fact", "words in a row as trained", "most"];
  return tableLines(head, [row("real", ({ real }) => real), ...rows]);
}

/** Drafts of one person under different settings: how well they are distinguished from replies, and how they look. */
export function comparedTable(
  { real, arms }: Pick<PersonTexts, "real" | "arms">,
  metrics: PersonMetrics | undefined,
): string[] {
  const views = ["surface", "masked", "all"] as const;
  const row = (name: string, replies: readonly string[]) => [
    name,
    ...views.map((view) => format(metrics?.arms[name]?.[view])),
    ...looksOf(replies),
  ];
  const rows = Object.entries(arms).map(([name, drafts]) => row(name, drafts));
  return tableLines(["", ...views.map((view) => `AUC, ${view}`), ...LOOKS], [...rows, row("really", real)]);
}
