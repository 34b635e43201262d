/** The arms of the protocol: what is asked, and with which adapter. Those whose adapter is not trained yet are left out. */
import type { PersonReplies } from "../style/corpus_people.ts";
import type { LossArm } from "./voice_losses.ts";
import { adapterOf, ownJob, TEXTING_JOB, thenOwnJob } from "./voice_training.ts";

/** Needs no training at all. */
export const UNTRAINED: readonly [LossArm, LossArm, LossArm] = [
  { name: "base", prompts: "base", adapterPath: null },
  { name: "five fixed", prompts: "five fixed", adapterPath: null },
  { name: "retrieved", prompts: "retrieved, own words alone", adapterPath: null },
];

async function armsWith(
  jobId: string,
  arms: readonly Omit<LossArm, "adapterPath">[],
): Promise<LossArm[]> {
  const adapterPath = await adapterOf(jobId);
  return adapterPath === undefined ? [] : arms.map((arm) => ({ ...arm, adapterPath }));
}

/** The texting adapter, which knows nothing of the person: what the first day has. */
export function textingArms(): Promise<LossArm[]> {
  return armsWith(TEXTING_JOB, [
    { name: "texting", prompts: "base" },
    { name: "texting + retrieved", prompts: "retrieved, own words alone" },
  ]);
}

/** The person's own adapter. */
export function ownArms(person: PersonReplies): Promise<LossArm[]> {
  return armsWith(ownJob(person), [
    { name: "own", prompts: "base" },
    { name: "own + retrieved", prompts: "retrieved, own words alone" },
  ]);
}

/** The person's own adapter, trained from the texting adapter on. */
export function thenOwnArms(person: PersonReplies): Promise<LossArm[]> {
  return armsWith(thenOwnJob(person), [{ name: "texting, then own", prompts: "base" }]);
}

/** Everybody else's own adapters. */
export async function othersArms(
  person: PersonReplies,
  people: readonly PersonReplies[],
): Promise<LossArm[]> {
  const others = people.filter((other) => other !== person);
  return (await Promise.all(
    others.map((other) => armsWith(ownJob(other), [{ name: `own of ${other.id}`, prompts: "base" }])),
  )).flat();
}
