/** The tiny model's tokenizer: a byte-level BPE trained on a few lines, which can represent any UTF-8 text. */

/** `llama_token_type` of llama.h. */
export const TOKEN_TYPE = { normal: 1, control: 3, unused: 5 } as const;

export const SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] as const;

/** How many pairs the training merges; each adds one token. */
const MERGE_COUNT = 250;

const CORPUS = `
hey are you coming tonight? yes I will be there at eight. see you then! what time is it? I do not know.
thanks for the other day, that was really nice of you. no problem at all, any time. how is your mother doing?
she is doing much better now, thank you for asking. great to hear! let me know when you are on your way home.
did you get the job? I got the job! congratulations, we should celebrate this weekend. where shall we meet?
sounds good to me. can we talk about it tomorrow morning? sure, call me when you wake up. good night and sleep well.
I am running late, the train was cancelled again. do not worry, we will wait for you here. the food is on the table.
`;

export interface TinyTokenizer {
  tokens: string[];
  /** `tokenizer.ggml.token_type`, one for each token. */
  types: number[];
  /** "left right", best first. */
  merges: string[];
}

/**
 * GPT-2's map from bytes to printable characters, by which a vocabulary of strings can hold any byte.
 *
 * Printable bytes stand for themselves, the others take the characters from U+0100 on (OpenAI's encoder.py).
 */
function byteAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/** The words of GPT-2's pre-tokenizer, close enough to train on: no merge may span two of them. */
function wordsOf(text: string, alphabet: string[]): string[][] {
  const encoder = new TextEncoder();
  return Array.from(text.matchAll(/ ?\p{L}+| ?[^\s\p{L}]+|\s/gu), ([word]) => {
    return Array.from(encoder.encode(word), (byte) => alphabet[byte] ?? "");
  });
}

/** The most frequent neighbours; the alphabetically first of equals, so that training is deterministic. */
function bestPair(words: string[][]): [string, string] | null {
  const counts = new Map<string, number>();
  for (const word of words) {
    for (let i = 1; i < word.length; i++) {
      const pair = `${word[i - 1]} ${word[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
  }
  const [best] = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  if (!best || best[1] < 2) return null;
  const [left = "", right = ""] = best[0].split(" ");
  return [left, right];
}

function mergePair(word: string[], [left, right]: [string, string]): string[] {
  const merged: string[] = [];
  for (let i = 0; i < word.length; i++) {
    const joins = word[i] === left && word[i + 1] === right;
    merged.push(joins ? left + right : word[i] ?? "");
    if (joins) i++;
  }
  return merged;
}

/** Trains the tokenizer: special tokens first, then 256 bytes, then merges. Always the same result. */
export function trainTinyTokenizer(): TinyTokenizer {
  const alphabet = byteAlphabet();
  const tokens: string[] = [...SPECIAL_TOKENS, ...alphabet];
  const merges: string[] = [];
  let words = wordsOf(CORPUS, alphabet);
  while (merges.length < MERGE_COUNT) {
    const pair = bestPair(words);
    if (!pair) break;
    merges.push(pair.join(" "));
    tokens.push(pair.join(""));
    words = words.map((word) => mergePair(word, pair));
  }
  const types = tokens.map((_, id) => id < SPECIAL_TOKENS.length ? TOKEN_TYPE.control : TOKEN_TYPE.normal);
  return { tokens, types, merges };
}
