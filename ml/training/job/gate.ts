/** Decides whether a trained adapter is offered: it must beat the base model, also one that is shown examples. */
import { seededRandom } from "../../engine/sampling.ts";
import { MIN_HELD_OUT } from "../samples/held_out_split.ts";

/** A held-out reply answered in three ways: natural-log probabilities, summed over its tokens. */
export interface MeasuredReply {
  /** Opaque; replies without one count as conversations of their own. */
  conversation?: string;
  tokens: number;
  base: number;
  /** The base model with the most similar exchanges of the training samples in its prompt. */
  examples: number;
  /** The model with the texting adapter, of many others' replies; absent where there is none. */
  texting?: number;
  adapter: number;
}

export interface Verdict {
  offered: boolean;
  /** A sentence with the figures it rests on. */
  reason: string;
}

/** A difference of loss per token and its 95 % interval. */
export interface Gain {
  mean: number;
  low: number;
  high: number;
}

/** By how much one way is ahead of another on a reply: natural logarithms, summed over its tokens. */
export interface Difference {
  conversation?: string;
  tokens: number;
  gained: number;
}

const RESAMPLES = 2_000;
/** Percentile intervals over fewer groups are too narrow (Cameron, Gelbach and Miller 2008, on few clusters). */
const MIN_GROUPS = 10;

function sumOf(parts: readonly Difference[]): Difference {
  let [tokens, gained] = [0, 0];
  for (const part of parts) {
    tokens += part.tokens;
    gained += part.gained;
  }
  return { tokens, gained };
}

/** What is drawn again together: conversations, or single replies where there are too few conversations. */
function groupsOf(replies: readonly Difference[]): Difference[][] {
  const byConversation = Object.values(
    Object.groupBy(replies, ({ conversation }, index) => conversation ?? `\0${index}`),
  ).flatMap((group) => group === undefined ? [] : [group]);
  return byConversation.length < MIN_GROUPS ? replies.map((reply) => [reply]) : byConversation;
}

/**
 * By how much one way's loss per token is below another's: a paired bootstrap over conversations (Efron and Tibshirani
 * 1993, chapter 13). Equal replies give equal figures on every machine.
 */
export function pairedGain(replies: readonly Difference[]): Gain {
  const groups = groupsOf(replies).map(sumOf);
  const random = seededRandom(1);
  const drawn = Array.from({ length: RESAMPLES }, () => {
    const { tokens, gained } = sumOf(
      groups.flatMap((_, __, all) => all[Math.floor(random() * all.length)] ?? []),
    );
    return gained / tokens;
  }).sort((a, b) => a - b);
  const all = sumOf(groups);
  const [low = NaN, high = NaN] = [drawn[RESAMPLES * 0.025], drawn[RESAMPLES * 0.975 - 1]];
  return { mean: all.gained / all.tokens, low, high };
}

/** By how much the adapter is ahead of another way. */
export function gainOver(way: "base" | "examples" | "texting", replies: readonly MeasuredReply[]): Gain {
  return pairedGain(replies.map(({ conversation, tokens, adapter, ...others }) => {
    return { conversation, tokens, gained: adapter - (others[way] ?? NaN) };
  }));
}

function words({ mean, low, high }: Gain): string {
  const [by, from, to] = [mean, low, high].map((value) => value.toFixed(3));
  return `by ${by} (95 % interval ${from} to ${to})`;
}

/** By how much the adapter is ahead of what drafts without it; null where the texting adapter was not measured. */
function gainOverTexting(replies: readonly MeasuredReply[]): Gain | null {
  return replies.some(({ texting }) => texting === undefined) ? null : gainOver("texting", replies);
}

/** How much of the gain is the person's own and not texting in general; "" where that was not measured. */
function control(gain: Gain | null): string {
  if (gain === null) return "";
  const verdict = gain.low > 0
    ? "surely better than"
    : gain.high < 0
    ? "surely worse than"
    : "not surely better than";
  return `. Control: ${verdict} the texting adapter of many others, ahead ${words(gain)}`;
}

/** Why an adapter is not offered; null when it is. */
function refusal({ base, examples, texting }: Record<"base" | "examples", Gain> & { texting: Gain | null }) {
  if (base.low <= 0) return `Not surely better than the base model: ahead ${words(base)}`;
  if (examples.low <= 0) {
    return `Better than the base model, but not surely better than it with examples in its prompt: ahead ${
      words(examples)
    }`;
  }
  if (texting !== null && texting.mean <= 0) {
    return `No better than the texting adapter that drafts without it, though better than the base model ${
      words(base)
    }`;
  }
  return null;
}

/**
 * Judges an adapter by the replies that were kept out of its training. It must surely beat what knows nothing of texting;
 * of the texting adapter, which starts it and is close, it only may not be behind.
 */
export function judge(replies: readonly MeasuredReply[]): Verdict {
  const count = replies.length;
  if (count < MIN_HELD_OUT) {
    return {
      offered: false,
      reason: `Too few to tell: ${count} ${
        count === 1 ? "reply was" : "replies were"
      } held out, and ${MIN_HELD_OUT} are needed: train again with more samples`,
    };
  }
  const [base, examples] = [gainOver("base", replies), gainOver("examples", replies)];
  const texting = gainOverTexting(replies);
  const refused = refusal({ base, examples, texting });
  const verdict = refused ??
    `Better than the base model ${words(base)} and than it with examples in its prompt ${words(examples)}`;
  const on = `in loss per token on ${count} held-out replies`;
  return { offered: refused === null, reason: `${verdict} ${on}${control(texting)}` };
}
