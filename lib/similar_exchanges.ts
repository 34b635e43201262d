/** Retrieves a person's most similar exchanges (BM25 over words) and shows them in a prompt as examples. */
import { formatTranscript, messageAnswered, transcriptOf } from "../contract/prompt.ts";
import { WordIndex } from "./bm25.ts";

interface Exchange {
  input: string;
  output: string;
}

/** Finds the exchanges whose incoming message is most similar to a given one. */
export class SimilarExchanges<Sample extends Exchange> {
  readonly #index: WordIndex<Sample>;

  constructor(samples: readonly Sample[]) {
    this.#index = new WordIndex(samples, ({ input }) => messageAnswered(transcriptOf(input)));
  }

  /** The `count` most similar exchanges, the most similar last, next to the message that is answered. */
  find(input: string, { count }: { count: number }): Sample[] {
    return this.#index.ranked(messageAnswered(transcriptOf(input))).slice(0, count).reverse();
  }
}

/** Examples in the prompt that an adapter is compared with: what a person gets without training. */
export const EXAMPLES = 5;

/** Puts earlier exchanges before a prompt's own turns. */
export function promptWithExamples(
  input: string,
  examples: readonly { input: string; output: string }[],
): string {
  const { system, turns } = transcriptOf(input);
  const shown = examples.flatMap((example) => [
    { speaker: "them" as const, text: messageAnswered(transcriptOf(example.input)) },
    { speaker: "me" as const, text: example.output },
  ]);
  return formatTranscript({ ...(system === undefined ? {} : { system }), turns: [...shown, ...turns] });
}
