/** Tables of held-out loss: by arm, and each person's replies under everybody's adapter. */
import { median, percent, tableLines } from "../../bench/support/bench_output.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { lossUnit, type MeasuredLoss } from "./voice_losses.ts";

type Losses = ReadonlyMap<string, MeasuredLoss>;
type People = readonly Pick<PersonReplies, "id">[];

const ARMS = [
  "base",
  "five fixed",
  "retrieved",
  "texting",
  "texting + retrieved",
  "own",
  "own + retrieved",
  "texting, then own",
] as const;

function format(loss: number | undefined): string {
  return loss === undefined ? "" : loss.toFixed(3);
}

function share(value: number): string {
  return Number.isFinite(value) ? percent(value) : "";
}

/** Looks a loss up. */
function lossIn(losses: Losses): (person: { id: string }, arm: string) => number | undefined {
  return (person, name) => losses.get(lossUnit(person, { name }))?.loss;
}

/** Every person's loss by arm; the last row has the medians. */
export function armTable(people: People, losses: Losses): string[] {
  const lossOf = lossIn(losses);
  const rows = people.map((person) => [person.id, ...ARMS.map((arm) => format(lossOf(person, arm)))]);
  const middle = ARMS.map((arm) => {
    const known = people.flatMap((person) => lossOf(person, arm) ?? []);
    return known.length === people.length ? median(known).toFixed(3) : "";
  });
  return tableLines(["person", ...ARMS], [...rows, ["median", ...middle]]);
}

/** The loss of a person's replies (row) under each person's adapter (column). */
export function matrixTable(people: People, losses: Losses): string[] {
  const lossOf = lossIn(losses);
  const rows = people.map((person) => [
    person.id,
    format(lossOf(person, "base")),
    ...people.map((other) => format(lossOf(person, other === person ? "own" : `own of ${other.id}`))),
  ]);
  return tableLines(["replies of", "base", ...people.map(({ id }) => id)], rows);
}

/** What the matrix says of a person. */
interface Specificity {
  id: string;
  isBest: boolean;
  /** Of the own adapter's gain over the base, what the other people's give on average. */
  others: number;
  /** The same of the texting adapter. */
  texting: number;
}

function specificityOf(person: { id: string }, people: People, losses: Losses): Specificity | undefined {
  const lossOf = lossIn(losses);
  const [base, own] = [lossOf(person, "base"), lossOf(person, "own")];
  const others = people.flatMap((other) => lossOf(person, `own of ${other.id}`) ?? []);
  if (base === undefined || own === undefined || others.length < people.length - 1) return undefined;
  const mean = others.reduce((sum, loss) => sum + loss, 0) / others.length;
  const partOf = (loss: number) => (base - loss) / (base - own);
  const texting = lossOf(person, "texting");
  return {
    id: person.id,
    isBest: others.every((loss) => own < loss),
    others: partOf(mean),
    texting: texting === undefined ? NaN : partOf(texting),
  };
}

/** Of each person's gain: what is the person, and what anybody's adapter or the texting adapter gives. */
export function specificityTable(people: People, losses: Losses): string[] {
  const known = people.flatMap((person) => specificityOf(person, people, losses) ?? []);
  const rows = known.map(({ id, isBest, others, texting }) => [
    id,
    isBest ? "yes" : "no",
    share(1 - others),
    share(texting),
  ]);
  const best = known.filter(({ isBest }) => isBest).length;
  const middle = [
    "median",
    `${best} of ${known.length}`,
    share(median(known.map(({ others }) => 1 - others))),
    share(median(known.map(({ texting }) => texting))),
  ];
  const head = [
    "person",
    "own adapter best",
    "of its gain not given by others'",
    "of its gain given by texting",
  ];
  return tableLines(head, [...rows, middle]);
}
