/** The arms of the protocol: what is asked, and with which adapter. */
import type { PersonReplies } from "../style/corpus_people.ts";
import type { LossArm } from "./voice_losses.ts";
import { trainFromTexting, trainOwn, trainPooled } from "./voice_training.ts";
import type { Pool } from "./voice_people.ts";

/** Needs no training at all. */
export const UNTRAINED: readonly LossArm[] = [
  { name: "base", prompts: "base", adapterPath: null },
  { name: "five fixed", prompts: "five fixed", adapterPath: null },
  { name: "retrieved", prompts: "retrieved, own words alone", adapterPath: null },
];

/** The texting adapter, which knows nothing of the person: what the first day has. */
export async function textingArms(pool: Pool): Promise<LossArm[]> {
  const { adapterPath } = await trainPooled(pool);
  return [
    { name: "texting", prompts: "base", adapterPath },
    { name: "texting + retrieved", prompts: "retrieved, own words alone", adapterPath },
  ];
}

/** The person's own adapter. */
export async function ownArms(person: PersonReplies): Promise<LossArm[]> {
  const { adapterPath } = await trainOwn(person);
  return [
    { name: "own", prompts: "base", adapterPath },
    { name: "own + retrieved", prompts: "retrieved, own words alone", adapterPath },
  ];
}

/** The person's own adapter, trained from the texting adapter on. */
export async function thenOwnArm(person: PersonReplies, pool: Pool): Promise<LossArm> {
  const { adapterPath } = await trainFromTexting(person, (await trainPooled(pool)).adapterPath);
  return { name: "texting, then own", prompts: "base", adapterPath };
}

/** Another person's own adapter. */
export async function othersArm(other: PersonReplies): Promise<LossArm> {
  const { adapterPath } = await trainOwn(other);
  return { name: `own of ${other.id}`, prompts: "base", adapterPath };
}
