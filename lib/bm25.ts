/** Ranks texts by the words they share with another one: BM25 (Robertson and Zaragoza, 2009). */

/** BM25's usual k1 (saturation of repeated words) and b (normalization by length). */
const SATURATION = 1.2;
const LENGTH_SHARE = 0.75;

interface Entry<Item> {
  item: Item;
  counts: Map<string, number>;
  words: number;
}

/** Maps texts that differ only in case, space and punctuation to the same text. */
export function normalised(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim() ||
    // Texts without letters or digits, such as emoji, are only normalised in space.
    text.normalize("NFKC").replace(/\s+/gu, " ").trim();
}

/** A text's words in lower case, without punctuation. */
export function wordsOf(text: string): string[] {
  return normalised(text).split(" ");
}

/** Items by the words of a text that each has. */
export class WordIndex<Item> {
  readonly #entries: Entry<Item>[];
  readonly #entriesWith = new Map<string, number>();
  readonly #meanWords: number;

  constructor(items: readonly Item[], textOf: (item: Item) => string) {
    this.#entries = items.map((item) => {
      const words = wordsOf(textOf(item));
      const counts = new Map<string, number>();
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      return { item, counts, words: words.length };
    });
    for (const { counts } of this.#entries) {
      for (const word of counts.keys()) {
        this.#entriesWith.set(word, (this.#entriesWith.get(word) ?? 0) + 1);
      }
    }
    const words = this.#entries.reduce((sum, entry) => sum + entry.words, 0);
    this.#meanWords = words / Math.max(1, this.#entries.length);
  }

  /** All items, the most similar first; of equals, those that were given first. */
  ranked(text: string): Item[] {
    const query = new Set(wordsOf(text));
    return this.#entries
      .map((entry, index) => ({ entry, index, score: this.#score(entry, query) }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .map(({ entry }) => entry.item);
  }

  #score({ counts, words }: Entry<Item>, query: ReadonlySet<string>): number {
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
