/** Writes the drafts of each arm to a person's held-out messages, through ml's engine. */
import { writeLine } from "../../lib/log.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { type DraftSampling, writeDrafts } from "../../tests/support/ml/draft_writer.ts";
import type { PersonReplies, ReplySample } from "../style/corpus_people.ts";
import { armsOf } from "../style/measure_examples.ts";
import { ResultsFile } from "./results_file.ts";
import type { LossArm } from "./voice_losses.ts";
import type { PersonTexts } from "./voice_metrics.ts";

/** Of each person's held-out messages the first so many are drafted. */
export const DRAFT_CONTEXTS = 40;
/** A message of a person is far shorter. */
const MAX_TOKENS = 80;

/** Units are named `PERSON ARM` or, where settings are chosen, `pool SAMPLING`. */
export const DRAFTS = new ResultsFile<{ drafts: string[] }>("drafts");

/** One draft for each prompt, in their order; the seeds are their places. */
export async function draftAll(
  unit: string,
  prompts: readonly string[],
  { sampling, adapter }: { sampling: DraftSampling } & Pick<LossArm, "adapter">,
): Promise<string[]> {
  const { drafts } = await DRAFTS.unit(unit, async () => {
    const adapterPath = await adapter() ?? undefined;
    writeLine(`  drafts of ${unit}`);
    const { path: modelPath } = await fetchSmallModel();
    const requests = prompts.map((prompt, index) => ({
      prompt,
      seed: index + 1,
      maxTokens: MAX_TOKENS,
      ...sampling,
    }));
    return { drafts: await writeDrafts(requests, { modelPath, adapterPath, threads: 1 }) };
  });
  return drafts;
}

/** Drafts of an arm to a person's first held-out messages. */
export function draftsOf(
  person: PersonReplies,
  { arm, sampling }: { arm: LossArm; sampling: DraftSampling },
): Promise<string[]> {
  const prompt = armsOf(person)[arm.prompts];
  const prompts = person.heldOut.slice(0, DRAFT_CONTEXTS).map(prompt);
  return draftAll(`${person.id} ${arm.name}`, prompts, { sampling, adapter: arm.adapter });
}

/** A person's texts for the classifiers: real replies and all arms that were drafted. */
export async function textsOf(person: PersonReplies): Promise<PersonTexts> {
  const real = person.heldOut.slice(0, DRAFT_CONTEXTS);
  const conversations = (samples: readonly ReplySample[]) =>
    samples.map((sample) => String(person.conversationOf.get(sample)));
  const units = [...await DRAFTS.read()].filter(([unit]) => unit.startsWith(`${person.id} `));
  return {
    id: person.id,
    real: real.map(({ output }) => output),
    conversations: conversations(real),
    earlier: person.train.map(({ output }) => output),
    earlierConversations: conversations(person.train),
    arms: Object.fromEntries(units.map(([unit, { drafts }]) => [unit.slice(person.id.length + 1), drafts])),
  };
}
