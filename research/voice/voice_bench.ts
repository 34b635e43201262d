/**
 * Measures how far drafts pass for the person's own: the protocol of docs/training.md, "How close drafts come".
 *
 * `deno task voice [texting|own|then-own|losses|sampling|drafts|report]...`; all of them, in this order, when none is named.
 * What is finished is kept in `data/voice`, unit by unit: a run that was ended continues. `losses` and `drafts` take the
 * adapters that are trained by then, and `report` prints what was measured by then and writes it to `research/voice/results`.
 * Two processes may work on different sections. All in all it takes about four hours of one core.
 */
import { runSections } from "../../bench/support/bench_output.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { measureSampling } from "./measure_sampling.ts";
import { othersArms, ownArms, textingArms, thenOwnArms, UNTRAINED } from "./voice_arms.ts";
import { draftsOf } from "./voice_drafts.ts";
import { type LossArm, LossMeter } from "./voice_losses.ts";
import { voicePeople } from "./voice_people.ts";
import { report } from "./voice_report.ts";
import { SAMPLING } from "./voice_sampling.ts";
import { trainFromTexting, trainOwn, trainPooled } from "./voice_training.ts";

const chosen = readCorpus(DATA_DIR).then(voicePeople);

type Round = (person: PersonReplies) => Promise<readonly (LossArm | undefined)[]>;

/** Round by round, so that what there is at any time has every person in it. */
async function inRounds(
  rounds: readonly Round[],
  measure: (person: PersonReplies, arm: LossArm) => Promise<unknown>,
): Promise<void> {
  const { measured } = await chosen;
  for (const round of rounds) {
    for (const person of measured) {
      for (const arm of await round(person)) if (arm !== undefined) await measure(person, arm);
    }
  }
}

async function trainOwnAdapters(): Promise<void> {
  for (const person of (await chosen).measured) await trainOwn(person);
}

/** The arms that need no generation; those that say most come first. */
async function measureLosses(): Promise<void> {
  const { measured } = await chosen;
  const [base, ...untrained] = UNTRAINED;
  await using meter = await LossMeter.open();
  await inRounds([
    async (person) => [base, (await textingArms())[0], (await ownArms(person))[0]],
    thenOwnArms,
    (person) => othersArms(person, measured),
    async () => [...untrained, (await textingArms())[1]],
    async (person) => (await ownArms(person)).slice(1),
  ], (person, arm) => meter.measure(person, arm));
}

async function writeDrafts(): Promise<void> {
  const [base, , retrieved] = UNTRAINED;
  await inRounds([
    () => Promise.resolve([base]),
    async (person) => (await ownArms(person)).slice(0, 1),
    textingArms,
    thenOwnArms,
    () => Promise.resolve([retrieved]),
    async (person) => (await ownArms(person)).slice(1),
  ], (person, arm) => draftsOf(person, { arm, sampling: SAMPLING }));
}

/** As many as time allows: each costs another training. */
async function trainFromTextingAdapter(): Promise<void> {
  const { measured, pool } = await chosen;
  const { adapterPath } = await trainPooled(pool);
  for (const person of measured.filter((_, index) => index % 2 === 0)) {
    await trainFromTexting(person, adapterPath);
  }
}

await runSections({
  texting: async () => void await trainPooled((await chosen).pool),
  own: trainOwnAdapters,
  "then-own": trainFromTextingAdapter,
  losses: measureLosses,
  sampling: async () => measureSampling((await chosen).pool),
  drafts: writeDrafts,
  report: async () => report(await chosen),
});
