/**
 * Measures how far drafts pass for the person's own: the protocol of docs/training.md, "How close drafts come".
 *
 * `deno task voice [sampling|choices|own|losses|drafts|first-token|report]...`; all of them, in this order, when none is
 * named. What is finished is kept in `data/voice`, unit by unit: a run that was ended continues. `losses` and `drafts`
 * take the adapters that are trained by then, and `report` prints what was measured by then and writes it to
 * `research/voice/results`. Two processes may work on different sections. All in all it takes some hours of one core.
 */
import { runSections } from "../../bench/support/bench_output.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { measureChoices } from "./measure_choices.ts";
import { measureFirstToken } from "./measure_first_token.ts";
import { measureSampling } from "./measure_sampling.ts";
import { gatedOf, TRAININGS } from "./gate_table.ts";
import { BASE, FIVE_FIXED, othersArms, ownArm, textingArm, withRetrieved } from "./voice_arms.ts";
import { draftsOf } from "./voice_drafts.ts";
import { type LossArm, LossMeter } from "./voice_losses.ts";
import { voicePeople } from "./voice_people.ts";
import { report } from "./voice_report.ts";
import { SAMPLING } from "./voice_sampling.ts";
import { trainOwn } from "./voice_training.ts";

const corpus = readCorpus(DATA_DIR);
const chosen = corpus.then(voicePeople);

type Round = (person: PersonReplies) => Promise<readonly (LossArm | undefined)[]>;

/** Every second person, then the others: what there is at any time is of formal and casual people alike. */
async function measuredInOrder(): Promise<PersonReplies[]> {
  const { measured } = await chosen;
  return [0, 1].flatMap((rest) => measured.filter((_, index) => index % 2 === rest));
}

/** Round by round, so that what there is at any time has every person in it. */
async function inRounds(
  rounds: readonly Round[],
  measure: (person: PersonReplies, arm: LossArm) => Promise<unknown>,
): Promise<void> {
  const people = await measuredInOrder();
  for (const round of rounds) {
    for (const person of people) {
      for (const arm of await round(person)) if (arm !== undefined) await measure(person, arm);
    }
  }
}

async function trainOwnAdapters(): Promise<void> {
  for (const person of await measuredInOrder()) {
    const result = await trainOwn(person);
    await TRAININGS.unit(person.id, () => Promise.resolve(gatedOf(result)));
  }
}

async function retrievedOwnArm(person: PersonReplies): Promise<LossArm | undefined> {
  const arm = await ownArm(person);
  return arm && withRetrieved(arm);
}

/** The arms that say most come first. */
async function measureLosses(): Promise<void> {
  const { measured } = await chosen;
  const texting = await textingArm();
  await using meter = await LossMeter.open();
  await inRounds([
    () => Promise.resolve([texting, withRetrieved(texting)]),
    async (person) => [BASE, await ownArm(person)],
    (person) => othersArms(person, measured),
    async (person) => [withRetrieved(BASE), await retrievedOwnArm(person)],
    () => Promise.resolve([FIVE_FIXED]),
  ], (person, arm) => meter.measure(person, arm));
}

async function writeDrafts(): Promise<void> {
  const texting = await textingArm();
  await inRounds([
    async (person) => [await ownArm(person)],
    () => Promise.resolve([texting]),
    () => Promise.resolve([BASE]),
    () => Promise.resolve([withRetrieved(texting)]),
  ], (person, arm) => draftsOf(person, { arm, sampling: SAMPLING }));
}

await runSections({
  sampling: async () => measureSampling((await chosen).pool),
  choices: async () => measureChoices((await chosen).development),
  own: trainOwnAdapters,
  losses: measureLosses,
  drafts: writeDrafts,
  "first-token": async () => measureFirstToken(await corpus, (await chosen).measured),
  report: async () => report(await chosen),
});
