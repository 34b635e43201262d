/** The arms of the protocol: what is asked, and with which adapter. */
import type { PersonReplies } from "../style/corpus_people.ts";
import { gatedOf, TRAININGS } from "./gate_table.ts";
import type { LossArm } from "./voice_losses.ts";
import { textingPath, trainOwn } from "./voice_training.ts";

const NO_ADAPTER = () => Promise.resolve(null);

export const BASE: LossArm = { name: "base", prompts: "base", adapter: NO_ADAPTER };
export const FIVE_FIXED: LossArm = { name: "five fixed", prompts: "five fixed", adapter: NO_ADAPTER };
/** The texting adapter, which knows nothing of the person: what the first day has. */
export const TEXTING: LossArm = { name: "texting", prompts: "base", adapter: textingPath };

/** The same arm with retrieved examples in its prompt. */
export function withRetrieved({ name, adapter }: LossArm): LossArm {
  const isBase = name === BASE.name;
  return {
    name: isBase ? "retrieved" : `${name} + retrieved`,
    prompts: "retrieved, own words alone",
    adapter,
  };
}

/** The person's own adapter, as the product trains it. */
export function ownArm(person: PersonReplies): LossArm {
  const adapter = async () => {
    const result = await trainOwn(person);
    await TRAININGS.unit(person.id, () => Promise.resolve(gatedOf(result)));
    return result.adapterPath;
  };
  return { name: "own", prompts: "base", adapter };
}

/** The same for somebody else's replies. */
export function ownOfAnother(person: PersonReplies): LossArm {
  return { ...ownArm(person), name: `own of ${person.id}` };
}
