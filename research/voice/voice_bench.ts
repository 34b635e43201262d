/**
 * Measures how far drafts pass for the person's own: the protocol of docs/training.md, "How close drafts come".
 *
 * `deno task voice [sampling|choices|own|losses|drafts|first-token|report]...`; all of them, in this order, when none is
 * named. What is finished is kept in `data/voice`, unit by unit: a run that was ended continues. `own` trains each person's
 * adapter and measures losses under it, `losses` those that need none; `report` prints what was measured by then and writes
 * it to `research/voice/results`. Two processes may work on different sections. All in all it takes some hours of one core.
 */
import { runSections } from "../../bench/support/bench_output.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { TRAININGS } from "./gate_table.ts";
import { measureChoices } from "./measure_choices.ts";
import { measureFirstToken } from "./measure_first_token.ts";
import { measureSampling } from "./measure_sampling.ts";
import { BASE, FIVE_FIXED, ownArm, ownOfAnother, TEXTING, withRetrieved } from "./voice_arms.ts";
import { draftsOf } from "./voice_drafts.ts";
import { type LossArm, LossMeter } from "./voice_losses.ts";
import { voicePeople } from "./voice_people.ts";
import { report } from "./voice_report.ts";
import { SAMPLING } from "./voice_sampling.ts";

const corpus = readCorpus(DATA_DIR);
const chosen = corpus.then(voicePeople);

/** Every second person, then the others: what there is at any time is of formal and casual people alike. */
async function measuredInOrder(): Promise<PersonReplies[]> {
  const { measured } = await chosen;
  return [0, 1].flatMap((rest) => measured.filter((_, index) => index % 2 === rest));
}

/** Arm by arm, so that what there is at any time has every person in it. */
async function inRounds(
  arms: readonly LossArm[],
  measure: (person: PersonReplies, arm: LossArm) => Promise<unknown>,
): Promise<void> {
  const people = await measuredInOrder();
  for (const arm of arms) {
    for (const person of people) await measure(person, arm);
  }
}

/**
 * Person by person: the adapter, the person's replies under it and under those before it, and theirs under it. So each adapter
 * is measured before the next is trained.
 */
async function measureOwn(): Promise<void> {
  const people = await measuredInOrder();
  await using meter = await LossMeter.open();
  for (const [index, person] of people.entries()) {
    const own = ownArm(person);
    await meter.measure(person, own);
    for (const other of people.slice(0, index)) {
      await meter.measure(person, ownOfAnother(other));
      await meter.measure(other, ownOfAnother(person));
    }
    await meter.measure(person, withRetrieved(own));
  }
}

async function measureLosses(): Promise<void> {
  await using meter = await LossMeter.open();
  const arms = [TEXTING, withRetrieved(TEXTING), BASE, withRetrieved(BASE), FIVE_FIXED];
  await inRounds(arms, (person, arm) => meter.measure(person, arm));
}

function draft(person: PersonReplies, arm: LossArm): Promise<string[]> {
  return draftsOf(person, { arm, sampling: SAMPLING });
}

/** Of those whose adapter is trained by then, and what it is compared with, before all others. */
async function writeDrafts(): Promise<void> {
  const trained = await TRAININGS.read();
  for (const person of await measuredInOrder()) {
    if (!trained.has(person.id)) continue;
    for (const arm of [ownArm(person), BASE]) await draft(person, arm);
  }
  await inRounds([TEXTING, BASE, withRetrieved(TEXTING)], draft);
}

await runSections({
  sampling: async () => measureSampling((await chosen).pool),
  choices: async () => measureChoices((await chosen).development),
  own: measureOwn,
  losses: measureLosses,
  drafts: writeDrafts,
  "first-token": async () => measureFirstToken(await corpus, (await chosen).measured),
  report: async () => report(await chosen),
});
