/** Measures what examples in the prompt do before any training: the base model's loss on later replies of real people. */
import { readCorpus } from "../../demo/corpus.ts";
import { formatTranscript } from "../../contract/prompt.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";
import { createLlamaEngine } from "../../ml/engine/llama/llama.ts";
import type { Sample } from "../../ml/engine/engine.ts";
import { messageAnswered, transcriptOf } from "../../contract/prompt.ts";
import { promptWithExamples } from "../../lib/similar_exchanges.ts";
import { chooseExamples, exampleTurns } from "../../server/services/drafts/examples.ts";
import type { SentReply } from "../../server/store/drafts/sent_replies.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { choosePeople, type PersonReplies, type ReplySample } from "./corpus_people.ts";
import { DATA_DIR } from "./cached_run.ts";
import { PEOPLE } from "./measure_people.ts";

/** The first later replies of each person: each is evaluated four times, with long prompts. */
const MEASURED = 16;
const FIXED = 5;

/** An earlier reply as the server reads it. */
function sentReply(sample: ReplySample, person: PersonReplies): SentReply {
  const id = String(person.train.indexOf(sample));
  const text = messageAnswered(transcriptOf(sample.input));
  return {
    conversationId: String(person.conversationOf.get(sample)),
    messageId: id,
    bubbleIds: [id],
    texts: [sample.output],
    before: { messageId: `before ${id}`, direction: "incoming", senderId: "them", text },
    delaySeconds: 0,
    isSample: false,
    neverTrain: false,
    isEdited: false,
  };
}

/** The prompt that a sample gets. */
export type Arm = (sample: ReplySample) => string;

/** The prompts of each arm. `others` is what the server shows of other conversations; `same`, of the same person's. */
export function armsOf(person: PersonReplies) {
  // The latest first, as the store has them.
  const replies = person.train.map((sample) => sentReply(sample, person)).reverse();
  const fixed = person.train.slice(-FIXED);
  const retrieved = (of: "same" | "others"): Arm => ({ input }) => {
    const { system, turns } = transcriptOf(input);
    const source = { text: messageAnswered({ turns }), same: [], others: [], [of]: replies };
    return formatTranscript({ system, turns: [...exampleTurns(chooseExamples(source)), ...turns] });
  };
  return {
    base: ({ input }) => input,
    "five fixed": ({ input }) => promptWithExamples(input, fixed),
    "retrieved, own words alone": retrieved("others"),
    "retrieved, with what they answered": retrieved("same"),
  } satisfies Record<string, Arm>;
}

/** Prints each person's held-out loss per token, by arm. */
export async function measureExamples(): Promise<void> {
  const { path } = await fetchSmallModel();
  const people = choosePeople(await readCorpus(DATA_DIR), PEOPLE);
  await using engine = await createLlamaEngine({
    gpu: "off",
    sequences: 1,
    contextSize: 2_048,
    queueLimit: 1,
    log: silentLogger(),
  });
  await engine.load({ id: "small", path });
  writeLine(`\n| person | ${Object.keys(armsOf(people[0] as PersonReplies)).join(" | ")} | tokens |`);
  for (const person of people) {
    const losses: string[] = [];
    let tokens = 0;
    for (const arm of Object.values(armsOf(person))) {
      const samples: Sample[] = person.heldOut.slice(0, MEASURED).map((sample) => ({
        input: arm(sample),
        output: sample.output,
      }));
      const likelihoods = await engine.evaluate({ samples });
      tokens = likelihoods.reduce((sum, likelihood) => sum + likelihood.tokens, 0);
      const sum = likelihoods.reduce((total, { logLikelihood }) => total + logLikelihood, 0);
      losses.push((-sum / tokens).toFixed(3));
    }
    writeLine(`| ${person.id} | ${losses.join(" | ")} | ${tokens} |`);
  }
}
