/**
 * Measures how far drafts pass for the person's own: the protocol of docs/training.md, "How close drafts come".
 *
 * `deno task voice [texting|own|then-own|losses|sampling|drafts|report]...`; all of them, in this order, when none is named.
 * What is finished is kept in `data/voice`, unit by unit: a run that was ended continues. `report` prints what there is by
 * then, and writes it to `research/voice/results`. Two processes may work on different sections. All in all it takes about
 * three hours of one core.
 */
import { runSections } from "../../bench/support/bench_output.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { measureSampling } from "./measure_sampling.ts";
import { othersArm, ownArms, textingArms, thenOwnArm, UNTRAINED } from "./voice_arms.ts";
import { draftsOf } from "./voice_drafts.ts";
import { type LossArm, LossMeter } from "./voice_losses.ts";
import { voicePeople } from "./voice_people.ts";
import { report } from "./voice_report.ts";
import { SAMPLING } from "./voice_sampling.ts";

const chosen = readCorpus(DATA_DIR).then(voicePeople);

async function trainOwnAdapters(): Promise<void> {
  for (const person of (await chosen).measured) await ownArms(person);
}

/** Every second person: each start costs another training. */
async function startingFromTexting(): Promise<PersonReplies[]> {
  return (await chosen).measured.filter((_, index) => index % 2 === 0);
}

async function trainFromTexting(): Promise<void> {
  for (const person of await startingFromTexting()) await thenOwnArm(person, (await chosen).pool);
}

/** The arms that need no generation; those that say most come first. */
async function measureLosses(): Promise<void> {
  const { measured, pool } = await chosen;
  const startedFromTexting = await startingFromTexting();
  const texting = await textingArms(pool);
  const [base, ...untrained] = UNTRAINED;
  const others = (person: PersonReplies) =>
    Promise.all(measured.filter((other) => other !== person).map(othersArm));
  const rounds: ((person: PersonReplies) => Promise<(LossArm | undefined)[]>)[] = [
    async (person) => [base, texting[0], (await ownArms(person))[0]],
    async (person) => startedFromTexting.includes(person) ? [await thenOwnArm(person, pool)] : [],
    others,
    () => Promise.resolve([...untrained, texting[1]]),
    async (person) => (await ownArms(person)).slice(1),
  ];
  await using meter = await LossMeter.open();
  for (const round of rounds) {
    for (const person of measured) {
      for (const arm of await round(person)) if (arm !== undefined) await meter.measure(person, arm);
    }
  }
}

/** Arm by arm, so that what there is at any time has every person in it. */
async function writeDrafts(): Promise<void> {
  const { measured, pool } = await chosen;
  const [texting, textingRetrieved] = await textingArms(pool);
  const [base, , retrieved] = UNTRAINED;
  const rounds: ((person: PersonReplies) => Promise<LossArm | undefined>)[] = [
    () => Promise.resolve(base),
    async (person) => (await ownArms(person))[0],
    () => Promise.resolve(textingRetrieved),
    () => Promise.resolve(retrieved),
    () => Promise.resolve(texting),
    async (person) => (await ownArms(person))[1],
  ];
  for (const round of rounds) {
    for (const person of measured) {
      const arm = await round(person);
      if (arm !== undefined) await draftsOf(person, { arm, sampling: SAMPLING });
    }
  }
}

await runSections({
  texting: async () => void await textingArms((await chosen).pool),
  own: trainOwnAdapters,
  "then-own": trainFromTexting,
  losses: measureLosses,
  sampling: async () => measureSampling((await chosen).pool),
  drafts: writeDrafts,
  report: async () => report(await chosen),
});
