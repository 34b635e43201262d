/** The arms of the protocol: what is asked, and with which adapter. Those whose adapter is not trained yet are left out. */
import type { PersonReplies } from "../style/corpus_people.ts";
import type { LossArm } from "./voice_losses.ts";
import { adapterOf, ownJob, textingPath } from "./voice_training.ts";

/** Needs no adapter. */
export const BASE: LossArm = { name: "base", prompts: "base", adapterPath: null };
export const FIVE_FIXED: LossArm = { name: "five fixed", prompts: "five fixed", adapterPath: null };

/** The same arm with retrieved examples in its prompt. */
export function withRetrieved({ name, adapterPath }: LossArm): LossArm {
  const isBase = name === BASE.name;
  return {
    name: isBase ? "retrieved" : `${name} + retrieved`,
    prompts: "retrieved, own words alone",
    adapterPath,
  };
}

/** The texting adapter, which knows nothing of the person: what the first day has. */
export async function textingArm(): Promise<LossArm> {
  return { name: "texting", prompts: "base", adapterPath: await textingPath() };
}

/** The person's own adapter, as the product trains it; undefined before. */
export async function ownArm(person: PersonReplies): Promise<LossArm | undefined> {
  const adapterPath = await adapterOf(ownJob(person));
  return adapterPath === undefined ? undefined : { name: "own", prompts: "base", adapterPath };
}

/** Everybody else's own adapters. */
export async function othersArms(
  person: PersonReplies,
  people: readonly PersonReplies[],
): Promise<LossArm[]> {
  const others = people.filter((other) => other !== person);
  const arms = others.map(async (other) => {
    const arm = await ownArm(other);
    return arm && { ...arm, name: `own of ${other.id}` };
  });
  return (await Promise.all(arms)).filter((arm) => arm !== undefined);
}
