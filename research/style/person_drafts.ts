/** Drafts replies to a person's held-out prompts three ways: base model, base with examples, adapter. */
import {
  EXAMPLES,
  promptWithExamples,
  SimilarExchanges,
} from "../../ml/training/samples/similar_exchanges.ts";
import { writeDrafts } from "../../tests/support/ml/draft_writer.ts";
import type { PersonReplies } from "./corpus_people.ts";

/** The three ways; each has a draft for each held-out reply, in their order. */
export interface PersonDrafts {
  base: string[];
  examples: string[];
  adapter: string[];
}

export interface PersonDraftsOptions {
  modelPath: string;
  adapterPath: string;
  threads: number;
}

async function draftAll(
  prompts: readonly string[],
  options: { modelPath: string; adapterPath?: string; threads: number },
): Promise<string[]> {
  return await writeDrafts(prompts.map((prompt, index) => ({ prompt, seed: index + 1 })), options);
}

/** Drafts with the settings that a draft has by default; the seeds are those of the prompts' places. */
export async function draftForPerson(
  person: PersonReplies,
  options: PersonDraftsOptions,
): Promise<PersonDrafts> {
  const { modelPath, threads } = options;
  const similar = new SimilarExchanges(person.train);
  const prompts = person.heldOut.map(({ input }) => input);
  const shown = prompts.map((input) => promptWithExamples(input, similar.find(input, { count: EXAMPLES })));
  return {
    base: await draftAll(prompts, { modelPath, threads }),
    examples: await draftAll(shown, { modelPath, threads }),
    adapter: await draftAll(prompts, options),
  };
}
