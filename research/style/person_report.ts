/** Drafts replies to a person's held-out prompts and formats the results: losses beside PEFT's, drafts beside the replies. */
import type { RunResult } from "../../ml/training/job/training_event.ts";
import type { PersonReplies } from "./corpus_people.ts";
import { meanStyle } from "./reply_style.ts";
import { styleAuc } from "./style_auc.ts";
import { percent, tableLines } from "../../bench/support/bench_output.ts";
import { EXAMPLES, promptWithExamples, SimilarExchanges } from "../../lib/similar_exchanges.ts";
import { writeDrafts } from "../../tests/support/ml/draft_writer.ts";

/** Everything measured of one person. */
export interface PersonOutcome {
  person: PersonReplies;
  result: RunResult;
  /** PEFT's held-out loss before training and after each epoch; null where PEFT is not installed. */
  peftLosses: number[] | null;
  drafts: PersonDrafts;
}

/** Our held-out loss before training and after each epoch. */
function ourLosses({ result }: PersonOutcome): number[] {
  return result.curve.epochs.map(({ heldOutLoss }) => heldOutLoss);
}

function loss(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(3);
}

/** Held-out loss per token of each person: base, five examples, adapter, and PEFT after as many epochs. */
export function lossTable(outcomes: readonly PersonOutcome[]): string[] {
  const rows = outcomes.map((outcome) => {
    const { person: { id }, result: { heldOut }, peftLosses } = outcome;
    const [ours, peft] = [ourLosses(outcome).at(-1), peftLosses?.at(-1)];
    const difference = ours === undefined || peft === undefined ? undefined : ours - peft;
    return [
      id,
      ...[heldOut.baseLoss, heldOut.examplesLoss, heldOut.adapterLoss, ours, peft, difference].map(loss),
    ];
  });
  const head = [
    "person",
    "base",
    "five examples",
    "adapter",
    "its last epoch",
    "PEFT's last epoch",
    "difference",
  ];
  return tableLines(head, rows);
}

/** Held-out loss by epoch, ours and PEFT's. */
export function epochTable(outcomes: readonly PersonOutcome[]): string[] {
  const most = Math.max(...outcomes.map((outcome) => ourLosses(outcome).length));
  const rows = outcomes.flatMap((outcome) => [
    [`${outcome.person.id}, ours`, ...ourLosses(outcome).map(loss)],
    ...(outcome.peftLosses === null ? [] : [[`${outcome.person.id}, PEFT`, ...outcome.peftLosses.map(loss)]]),
  ]);
  const epochs = Array.from({ length: most }, (_, epoch) => epoch === 0 ? "base" : `epoch ${epoch}`);
  return tableLines(["", ...epochs], rows);
}

/** How drafts look beside the person's held-out replies; the earlier replies show how much a person varies. */
export function styleTable({ person, drafts }: PersonOutcome): string[] {
  const heldOut = person.heldOut.map(({ output }) => output);
  const sides: [string, readonly string[]][] = [
    ["the person, held out", heldOut],
    ["the person, earlier", person.train.map(({ output }) => output)],
    ["drafts, base", drafts.base],
    ["drafts, five examples", drafts.examples],
    ["drafts, adapter", drafts.adapter],
  ];
  const rows = sides.map(([name, replies]) => {
    const style = meanStyle(replies);
    return [
      name,
      style.length.toFixed(0),
      percent(style.noCapitals),
      percent(style.opensLower),
      percent(style.finalStop),
      percent(style.finalMark),
      style.bubbles.toFixed(2),
      percent(style.emoji),
      replies === heldOut ? "" : styleAuc(replies, heldOut).toFixed(2),
    ];
  });
  const head = [
    "",
    "characters",
    "no capitals",
    "opens lower",
    "full stop",
    "! or ?",
    "bubbles",
    "emoji",
    "AUC",
  ];
  return tableLines(head, rows);
}

/** The three ways; each has a draft for each held-out reply, in their order. */
export interface PersonDrafts {
  base: string[];
  examples: string[];
  adapter: string[];
}

export interface PersonDraftsOptions {
  modelPath: string;
  adapterPath: string;
  threads: number;
}

async function draftAll(
  prompts: readonly string[],
  options: { modelPath: string; adapterPath?: string; threads: number },
): Promise<string[]> {
  return await writeDrafts(prompts.map((prompt, index) => ({ prompt, seed: index + 1 })), options);
}

/** Drafts with the settings that ml has by default; the seeds are those of the prompts' places. */
export async function draftForPerson(
  person: PersonReplies,
  options: PersonDraftsOptions,
): Promise<PersonDrafts> {
  const { modelPath, threads } = options;
  const similar = new SimilarExchanges(person.train);
  const prompts = person.heldOut.map(({ input }) => input);
  const shown = prompts.map((input) => promptWithExamples(input, similar.find(input, { count: EXAMPLES })));
  return {
    base: await draftAll(prompts, { modelPath, threads }),
    examples: await draftAll(shown, { modelPath, threads }),
    adapter: await draftAll(prompts, options),
  };
}
