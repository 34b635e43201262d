/** Retrieves a person's most similar exchanges (BM25 over words) and shows them in a prompt as examples. */
import { messageAnswered, normalised, transcriptOf } from "./sample_text.ts";
import { formatTranscript } from "../../../contract/prompt.ts";

/** BM25's usual k1 (saturation of repeated words) and b (normalization by length). */
const SATURATION = 1.2;
const LENGTH_SHARE = 0.75;

interface Exchange {
  input: string;
  output: string;
}

interface Entry<Sample> {
  sample: Sample;
  counts: Map<string, number>;
  words: number;
}

function wordsOf(input: string): string[] {
  return normalised(messageAnswered(transcriptOf(input))).split(" ");
}

/** Finds the exchanges whose incoming message is most similar to a given one. */
export class SimilarExchanges<Sample extends Exchange> {
  readonly #entries: Entry<Sample>[];
  readonly #entriesWith = new Map<string, number>();
  readonly #meanWords: number;

  constructor(samples: readonly Sample[]) {
    this.#entries = samples.map((sample) => {
      const words = wordsOf(sample.input);
      const counts = new Map<string, number>();
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      return { sample, counts, words: words.length };
    });
    for (const { counts } of this.#entries) {
      for (const word of counts.keys()) {
        this.#entriesWith.set(word, (this.#entriesWith.get(word) ?? 0) + 1);
      }
    }
    const words = this.#entries.reduce((sum, entry) => sum + entry.words, 0);
    this.#meanWords = words / Math.max(1, this.#entries.length);
  }

  /** The `count` most similar exchanges, the most similar last, next to the message that is answered. */
  find(input: string, { count }: { count: number }): Sample[] {
    const query = new Set(wordsOf(input));
    return this.#entries
      .map((entry, index) => ({ entry, index, score: this.#score(entry, query) }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, count)
      .map(({ entry }) => entry.sample)
      .reverse();
  }

  #score({ counts, words }: Entry<Sample>, query: ReadonlySet<string>): number {
    let score = 0;
    for (const word of query) {
      const count = counts.get(word);
      if (count === undefined) continue;
      const known = this.#entriesWith.get(word) ?? 0;
      const rarity = Math.log(1 + (this.#entries.length - known + 0.5) / (known + 0.5));
      const length = 1 - LENGTH_SHARE + LENGTH_SHARE * words / this.#meanWords;
      score += rarity * count * (SATURATION + 1) / (count + SATURATION * length);
    }
    return score;
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
