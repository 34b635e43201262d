/** Samples from logits where llama.cpp holds them, and says how probable a token is, exactly. */
import {
  penalisedTokens,
  PROBABILITY_FLOOR,
  type SampledToken,
  sampleToken,
  type SamplingOptions,
} from "../sampling.ts";

/** exp(-x) is looked up in steps of 1 / this; between them a line is off by less than 1 in 100,000. */
const STEPS = 128;
/** Tokens this far below the best one weigh nothing: 150,000 of them together 1 in 170,000. */
const RANGE = 24;
const TABLE = Float64Array.from({ length: RANGE * STEPS + 2 }, (_, index) => Math.exp(-index / STEPS));
const TABLE_END = RANGE * STEPS;
/** The tokens that are chosen from are hardly ever further below the best one. */
const NEAR = 8;
const NEAR_END = NEAR * STEPS;

/**
 * The sum of exp(logit - best) over the vocabulary. A call of Math.exp for each token would cost ten times as much.
 *
 * @param near filled with the tokens less than `NEAR` below the best
 */
function sumOfExponentials(logits: Float32Array, best: number, near: number[] = []): number {
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    const place = (best - (logits[token] ?? 0)) * STEPS;
    if (place < TABLE_END) {
      const index = place | 0;
      const value = TABLE[index] ?? 0;
      sum += value + ((TABLE[index + 1] ?? 0) - value) * (place - index);
      if (place < NEAR_END) near.push(token);
    }
  }
  return sum;
}

function largest(logits: Float32Array): number {
  let best = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? 0;
    if (logit > best) best = logit;
  }
  return best;
}

/** The natural logarithm of a token's probability. */
export function logProbability(logits: Float32Array, token: number): number {
  const best = largest(logits);
  return (logits[token] ?? NaN) - best - Math.log(sumOfExponentials(logits, best));
}

function bestFirst(logits: Float32Array, tokens: number[]): number[] {
  return tokens.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
}

/** Those of the tokens with a logit of at least `least`. */
function tokensFrom(logits: Float32Array, least: number): number[] {
  const tokens: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    if ((logits[token] ?? 0) >= least) tokens.push(token);
  }
  return tokens;
}

/** The `count` most probable tokens, best first, for when few are near the best: sorting all would take far longer. */
function topTokens(logits: Float32Array, count: number): number[] {
  const top: number[] = [];
  let least = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? 0;
    if (top.length === count && !(logit > least)) continue;
    let place = Math.min(top.length, count - 1);
    for (; place > 0 && (logits[top[place - 1] ?? 0] ?? 0) < logit; place--) top[place] = top[place - 1] ?? 0;
    top[place] = token;
    if (top.length === count) least = logits[top[count - 1] ?? 0] ?? 0;
  }
  return top;
}

/** The most probable of a vocabulary, best first: `count` of them, or with 0 all that are not negligible. */
function mostProbable(
  logits: Float32Array,
  { count, best, near }: { count: number; best: number; near: number[] },
): number[] {
  if (count === 1) return [logits.indexOf(best)];
  if (count === 0) return bestFirst(logits, tokensFrom(logits, best + Math.log(PROBABILITY_FLOOR)));
  return near.length >= count ? bestFirst(logits, near).slice(0, count) : topTokens(logits, count);
}

/** Chooses the next token from its logits: see {@linkcode sampleToken}. */
export function sampleLogits<Id extends number>(
  logits: Float32Array,
  options: Omit<SamplingOptions<Id>, "bestLogit">,
): SampledToken<Id> {
  // At temperature 0 the choice is the best token once penalties are counted, which is one of the best few.
  const topK = options.temperature === 0 ? 1 : options.topK;
  const penalised = penalisedTokens(options);
  const bestLogit = largest(logits);
  const near: number[] = [];
  const sum = sumOfExponentials(logits, bestLogit, near);
  const count = topK > 0 ? Math.min(topK + penalised.size, logits.length) : 0;
  const tokens = sum > 0 ? mostProbable(logits, { count, best: bestLogit, near }) : [];
  const probabilities = new Map<Id, number>();
  for (const token of [...tokens as Id[], ...penalised]) {
    if (!probabilities.has(token)) {
      probabilities.set(token, Math.exp((logits[token] ?? NaN) - bestLogit) / sum);
    }
  }
  return sampleToken(probabilities, { ...options, topK, bestLogit });
}
