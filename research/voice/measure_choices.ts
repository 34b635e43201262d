/** Chooses how an own adapter is trained and its drafts are sampled, on people of whom nothing is in the other tables. */
import { writeLine } from "../../lib/log.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { TEXTING } from "./voice_arms.ts";
import { comparedTable } from "./draft_tables.ts";
import { draftsOf, textsOf } from "./voice_drafts.ts";
import { type LossArm, LossMeter } from "./voice_losses.ts";
import { voiceMetrics } from "./voice_metrics.ts";
import { SAMPLING } from "./voice_sampling.ts";
import { type TrainingChoice, trainOwn } from "./voice_training.ts";

/** What a job does by default, and what else was tried. */
const TRAININGS: Readonly<Record<string, TrainingChoice>> = {
  "as a job does": {},
  "1 epoch": { epochs: 1 },
  "2 epochs": { epochs: 2 },
};
/** Of drafts by the first of these. */
const MIN_P = [0.02, 0];

async function measurePerson(person: PersonReplies, meter: LossMeter): Promise<void> {
  const measure = async (arm: LossArm) => {
    await meter.measure(person, arm);
    await draftsOf(person, { arm, sampling: SAMPLING });
  };
  await measure(TEXTING);
  for (const [name, choice] of Object.entries(TRAININGS)) {
    const adapter = async () => (await trainOwn(person, choice)).adapterPath;
    const arm: LossArm = { name, prompts: "base", adapter };
    await measure(arm);
    if (Object.keys(choice).length > 0) continue;
    for (const minP of MIN_P) {
      const sampled = { ...arm, name: `${name}, min-p ${minP}` };
      await draftsOf(person, { arm: sampled, sampling: { ...SAMPLING, minP } });
    }
  }
  const texts = await textsOf(person);
  const [metrics] = await voiceMetrics([texts]);
  for (const line of [`\n${person.id}\n`, ...comparedTable(texts, metrics)]) writeLine(line);
}

/** Prints, for each choice, the held-out loss, how well drafts are distinguished from replies, and how they look. */
export async function measureChoices(people: readonly PersonReplies[]): Promise<void> {
  await using meter = await LossMeter.open();
  for (const person of people) await measurePerson(person, meter);
}
