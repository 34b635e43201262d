/**
 * Invents a person, Kit, whose habits no model has seen: replies that others really wrote, rewritten in Kit's style.
 * Messages and replies come from a corpus, one exchange of each conversation, so that they repeat nothing but the
 * habits.
 */
import type { Corpus } from "../../../demo/corpus.ts";
import { buildPrompt } from "../../../server/services/drafts/prompt_builder.ts";

/** What Kit writes for common words. */
const ABBREVIATIONS: Readonly<Record<string, string>> = {
  you: "yu",
  your: "yr",
  and: "n",
  the: "da",
  with: "w/",
  because: "bcz",
  really: "rly",
};
const SIGN_OFF = "~kit";

/** How many samples there are of Kit, and how many prompts of other conversations. */
export const KIT = { samples: 200, unseen: 50 };
/**
 * What a small model needs to take up habits it has never seen from so few samples: many small steps. Fewer at a higher
 * rate learn Kit's samples by heart before they learn the habits.
 */
export const KIT_TRAINING = { epochs: 4, batchSize: 4, learningRate: 1e-3, lora: { rank: 16, dropout: 0.1 } };

/** Words of a reply that Kit shortens: Kit's habits are marked. */
const MIN_SHORTENED = 2;
const MIN_LENGTH = 20;
const MAX_LENGTH = 110;
/** Letters, digits and the signs of plain sentences: what is left once links and drawings are out. */
const PLAIN = /^[A-Za-z0-9 ,.'!?-]+$/;

export interface PlantedSample {
  input: string;
  output: string;
}

/** A reply as Kit would write it; null for one that shows few of the abbreviations. */
export function asKitWrites(reply: string): string | null {
  let count = 0;
  const text = reply.toLowerCase().replace(/[a-z]+/g, (word) => {
    const short = Object.hasOwn(ABBREVIATIONS, word) ? ABBREVIATIONS[word] : undefined;
    if (short !== undefined) count++;
    return short ?? word;
  });
  return count < MIN_SHORTENED ? null : `${text.trim().replace(/[.\s]+$/, "")} ${SIGN_OFF}`;
}

type Turn = Corpus[string]["messages"][number];

function plainText(turn: Turn | undefined): string | null {
  const text = turn?.length === 1 ? turn[0]?.text.trim() ?? "" : "";
  return text.length >= MIN_LENGTH && text.length <= MAX_LENGTH && PLAIN.test(text) ? text : null;
}

/** Kit is asked with one message: nothing of what Kit wrote before shows the habits. */
function promptOf(message: string): string {
  return buildPrompt({
    conversation: { displayName: null, isGroup: false },
    messages: [{ direction: "incoming", senderId: "them", text: message, retractedAt: null }],
    names: null,
  }).text;
}

/** The first message of a conversation whose answer Kit can give. */
function exchangeOf(turns: readonly Turn[]): PlantedSample | null {
  for (const [index, turn] of turns.entries()) {
    const [message, reply] = [plainText(turn), plainText(turns[index + 1])];
    const output = reply === null ? null : asKitWrites(reply);
    if (message !== null && output !== null) return { input: promptOf(message), output };
  }
  return null;
}

/** Samples of Kit, and prompts of other conversations, none of which has a message of the samples. */
export function plantedPerson(
  corpus: Corpus,
  options: { samples: number; unseen: number },
): { samples: PlantedSample[]; unseen: string[] } {
  const exchanges = new Map<string, PlantedSample>();
  for (const id of Object.keys(corpus).toSorted()) {
    if (exchanges.size === options.samples + options.unseen) break;
    const exchange = exchangeOf(corpus[id]?.messages ?? []);
    if (exchange !== null && !exchanges.has(exchange.input)) exchanges.set(exchange.input, exchange);
  }
  const all = [...exchanges.values()];
  if (all.length < options.samples + options.unseen) {
    throw new Error("The corpus has too few exchanges for Kit");
  }
  return {
    samples: all.slice(0, options.samples),
    unseen: all.slice(options.samples).map(({ input }) => input),
  };
}
