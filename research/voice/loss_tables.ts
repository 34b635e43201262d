/** Tables of held-out loss: by arm, each person's replies under everybody's adapter, and what of its gain is the person. */
import { percent, tableLines } from "../../bench/support/bench_output.ts";
import { type Gain, pairedGain } from "../../ml/training/job/gate.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { middleRows } from "./intervals.ts";
import { lossUnit, type MeasuredLoss } from "./voice_losses.ts";

type Losses = ReadonlyMap<string, MeasuredLoss>;
type Named = Pick<PersonReplies, "id">;

const ARMS = [
  "base",
  "five fixed",
  "retrieved",
  "texting",
  "texting + retrieved",
  "own",
  "own + retrieved",
] as const;

function format(loss: number | undefined): string {
  return loss === undefined ? "" : loss.toFixed(3);
}

function share(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "" : percent(value);
}

/** Looks a loss up. */
function lossIn(losses: Losses): (person: Named, arm: string) => number | undefined {
  return (person, name) => losses.get(lossUnit(person, { name }))?.loss;
}

/** Every person's loss by arm. */
export function armTable(people: readonly Named[], losses: Losses): string[] {
  const lossOf = lossIn(losses);
  const rows = people.map((person) => [person.id, ...ARMS.map((arm) => format(lossOf(person, arm)))]);
  const columns = ARMS.map((arm) => people.map((person) => lossOf(person, arm)));
  return tableLines(["person", ...ARMS], [...rows, ...middleRows(columns, format)]);
}

/** The loss of a person's replies (row) under each person's adapter (column). */
export function matrixTable(people: readonly Named[], losses: Losses): string[] {
  const lossOf = lossIn(losses);
  const rows = people.map((person) => [
    person.id,
    format(lossOf(person, "base")),
    format(lossOf(person, "texting")),
    ...people.map((other) => format(lossOf(person, other === person ? "own" : `own of ${other.id}`))),
  ]);
  return tableLines(["replies of", "base", "texting", ...people.map(({ id }) => id)], rows);
}

/** What the matrix says of a person. */
interface Specificity {
  id: string;
  isBest: boolean;
  /** Shares of the own adapter's gain over the base model. */
  fromTexting: number;
  notFromOthers: number;
  /** Share of its gain over the texting adapter; undefined where it has none. */
  ofTheRestNotFromOthers: number | undefined;
}

/** Undefined where the person's own adapter or one of the others that there are was not measured on them. */
function specificityOf(person: Named, people: readonly Named[], losses: Losses): Specificity | undefined {
  const lossOf = lossIn(losses);
  const [base = NaN, texting = NaN, own] = ["base", "texting", "own"].map((arm) => lossOf(person, arm));
  const trained = people.filter((other) => other !== person && lossOf(other, "own") !== undefined);
  const others = trained.flatMap((other) => lossOf(person, `own of ${other.id}`) ?? []);
  if (own === undefined || others.length === 0 || others.length < trained.length) return undefined;
  const mean = others.reduce((sum, loss) => sum + loss, 0) / others.length;
  return {
    id: person.id,
    isBest: others.every((loss) => own < loss),
    fromTexting: (base - texting) / (base - own),
    notFromOthers: (mean - own) / (base - own),
    ofTheRestNotFromOthers: own < texting ? (mean - own) / (texting - own) : undefined,
  };
}

/** Of each person's gain: what is the person, and what anybody's adapter or the texting adapter gives. */
export function specificityTable(people: readonly Named[], losses: Losses): string[] {
  const known = people.flatMap((person) => specificityOf(person, people, losses) ?? []);
  const shares = ["fromTexting", "notFromOthers", "ofTheRestNotFromOthers"] as const;
  const rows = known.map((person) => [
    person.id,
    person.isBest ? "yes" : "no",
    ...shares.map((of) => share(person[of])),
  ]);
  const best = `${known.filter(({ isBest }) => isBest).length} of ${known.length}`;
  const [middle = [], interval = []] = middleRows(
    shares.map((of) => known.map((person) => person[of])),
    share,
  );
  const head = [
    "person",
    "own adapter best",
    "of its gain over base: texting's",
    "not given by others'",
    "of its gain over texting: not given by others'",
  ];
  const last = [["median", best, ...middle.slice(1)], [interval[0] ?? "", "", ...interval.slice(1)]];
  return tableLines(head, [...rows, ...last]);
}

type Replied = Pick<PersonReplies, "id" | "heldOut" | "conversationOf">;

/** By how much the person's own adapter is ahead of some arms' mean, with its interval over conversations. */
function gainOver(person: Replied, losses: Losses, arms: readonly string[]): Gain | undefined {
  const repliesOf = (name: string) => losses.get(lossUnit(person, { name }))?.replies;
  const own = repliesOf("own");
  const others = arms.flatMap((arm) => repliesOf(arm) === undefined ? [] : [repliesOf(arm) ?? []]);
  if (own === undefined || others.length === 0) return undefined;
  return pairedGain(own.map(({ tokens, logLikelihood }, index) => {
    const sum = others.reduce((total, replies) => total + (replies[index]?.logLikelihood ?? NaN), 0);
    const sample = person.heldOut[index];
    const conversation = sample && String(person.conversationOf.get(sample));
    return { conversation, tokens, gained: logLikelihood - sum / others.length };
  }));
}

/** By how much each own adapter is ahead: loss per token, and its 95 % interval. */
export function gainTable(people: readonly Replied[], losses: Losses): string[] {
  const cell = (gain: Gain | undefined) =>
    gain === undefined ? "" : `${gain.mean.toFixed(3)} (${gain.low.toFixed(3)} to ${gain.high.toFixed(3)})`;
  const rows = people.map((person) => {
    const others = people.filter((other) => other !== person).map(({ id }) => `own of ${id}`);
    return [
      person.id,
      ...[["base"], ["texting"], others].map((arms) => cell(gainOver(person, losses, arms))),
    ];
  });
  return tableLines(["person", "ahead of base", "of texting", "of others' on average"], rows);
}
