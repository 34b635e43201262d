/**
 * Samples the next token from the model's own probabilities, with a seeded random number generator.
 *
 * This is done here and not by llama.cpp's sampler chain because the chain reports a token's probability only after
 * changing it; `confidence` needs the original. Penalties are those of llama.cpp, but for what they look at: the
 * generated tokens alone, while llama-server counts those of the prompt too.
 */

/** Tokens less probable than this share of the best one are ignored: together they weigh about 0.1 %. */
export const PROBABILITY_FLOOR = 1e-6;

/** How many of the latest generated tokens a repeat penalty looks at: llama.cpp's `penalty_last_n`. */
export const PENALTY_WINDOW = 64;

/** llama.cpp's defaults of `top_k` and `min_p`. */
export const DEFAULT_TOP_K = 40;
export const DEFAULT_MIN_P = 0.05;

export interface SamplingOptions<Id extends number = number> {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  /** Divides the logit of each of the latest generated tokens. */
  repeatPenalty: number;
  /** Subtracted from the logit of each generated token. */
  presencePenalty: number;
  /** Subtracted from a token's logit for each time that it was generated. */
  frequencyPenalty: number;
  /** Tokens generated so far, which penalties look at. */
  generated: readonly Id[];
  /** The best token's logit, which tells the others'. Default: such that the floor's is 0. */
  bestLogit?: number;
  /** Numbers in [0, 1); not drawn at temperature 0. */
  random: () => number;
}

export interface SampledToken<Id extends number = number> {
  token: Id;
  /** From the model, before any setting changed it. */
  probability: number;
}

interface Candidate<Id extends number> extends SampledToken<Id> {
  /** After the settings; not normalised. */
  weight: number;
}

/** Lowers a repeated token's weight as llama.cpp does: a logit above 0 is divided by the penalty, another multiplied. */
function penalised(
  probability: number,
  best: number,
  { repeatPenalty, bestLogit = -Math.log(PROBABILITY_FLOOR) }: SamplingOptions,
): number {
  const logit = Math.log(probability / best) + bestLogit;
  return best * Math.exp((logit > 0 ? logit / repeatPenalty : logit * repeatPenalty) - bestLogit);
}

/** What penalties do to the probability of a token; tokens that are not in the map stay as they are. */
type Penalties<Id extends number> = ReadonlyMap<Id, (probability: number, best: number) => number>;

/** The tokens that the repeat penalty concerns, and how often each was generated where that matters. */
function repetitionsOf<Id extends number>(
  { generated, repeatPenalty, presencePenalty, frequencyPenalty }: SamplingOptions<Id>,
): { recent: Set<Id>; counts: Map<Id, number> } {
  const recent = new Set(repeatPenalty === 1 ? [] : generated.slice(-PENALTY_WINDOW));
  const counts = new Map<Id, number>();
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    for (const token of generated) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return { recent, counts };
}

/** The tokens whose probabilities penalties change. */
export function penalisedTokens<Id extends number>(options: SamplingOptions<Id>): Set<Id> {
  const { recent, counts } = repetitionsOf(options);
  return new Set([...recent, ...counts.keys()]);
}

function penaltiesOf<Id extends number>(options: SamplingOptions<Id>): Penalties<Id> {
  const { presencePenalty, frequencyPenalty } = options;
  const { recent, counts } = repetitionsOf(options);
  return new Map([...recent, ...counts.keys()].map((token) => {
    const count = counts.get(token) ?? 0;
    // To subtract from a logit is to multiply the probability, up to a factor that all tokens share.
    const factor = count === 0 ? 1 : Math.exp(-presencePenalty - frequencyPenalty * count);
    return [token, (probability, best) => {
      return factor * (recent.has(token) ? penalised(probability, best, options) : probability);
    }];
  }));
}

/** The most probable tokens, best first: as many as top-k may keep once penalties have moved some. */
function candidatesOf<Id extends number>(
  probabilities: ReadonlyMap<Id, number>,
  options: SamplingOptions<Id>,
): Candidate<Id>[] {
  const penalties = penaltiesOf(options);
  const wanted = options.topK > 0 ? options.topK + penalties.size : Infinity;
  const candidates: Candidate<Id>[] = [];
  let best = 0;
  const add = (token: Id, probability: number) => {
    const weight = penalties.get(token)?.(probability, best) ?? probability;
    candidates.push({ token, probability, weight });
  };
  for (const [token, probability] of probabilities) {
    if (candidates.length >= wanted) break;
    best ||= probability;
    add(token, probability);
  }
  if (penalties.size === 0) return candidates;
  const added = new Set(candidates.map(({ token }) => token));
  // A penalty below its neutral value moves a token up.
  for (const token of penalties.keys()) {
    const probability = added.has(token) ? undefined : probabilities.get(token);
    if (probability !== undefined) add(token, probability);
  }
  return candidates.sort((a, b) => b.weight - a.weight);
}

/** Cuts candidates, best first, to the smallest set that reaches `topP` of their weight. */
function cutByTopP<Id extends number>(candidates: Candidate<Id>[], topP: number): Candidate<Id>[] {
  if (topP >= 1) return candidates;
  const target = topP * candidates.reduce((sum, candidate) => sum + candidate.weight, 0);
  let sum = 0;
  const last = candidates.findIndex((candidate) => (sum += candidate.weight) >= target);
  return last < 0 ? candidates : candidates.slice(0, last + 1);
}

function drawByTemperature<Id extends number>(
  candidates: Candidate<Id>[],
  options: Pick<SamplingOptions, "temperature" | "random">,
): Candidate<Id> {
  const { temperature, random } = options;
  const [first] = candidates;
  if (!first) throw new RangeError("Cannot choose a token: the model gave no probabilities");
  if (temperature === 0) return first;
  const weights = candidates.map(({ weight }) => (weight / first.weight) ** (1 / temperature));
  let rest = random() * weights.reduce((sum, weight) => sum + weight, 0);
  return candidates.find((_, index) => (rest -= weights[index] ?? 0) < 0) ?? first;
}

/**
 * Chooses the next token: penalties, top-k, top-p, min-p, temperature, in llama.cpp's order.
 *
 * @param probabilities by token id, best first
 */
export function sampleToken<Id extends number>(
  probabilities: ReadonlyMap<Id, number>,
  options: SamplingOptions<Id>,
): SampledToken<Id> {
  let candidates = candidatesOf(probabilities, options);
  if (options.topK > 0) candidates = candidates.slice(0, options.topK);
  candidates = cutByTopP(candidates, options.topP);
  const least = options.minP * (candidates[0]?.weight ?? 0);
  candidates = candidates.filter(({ weight }) => weight >= least);
  const { token, probability } = drawByTemperature(candidates, options);
  return { token, probability };
}

/** Mulberry32: numbers in [0, 1) from a 32-bit seed, in integer arithmetic only: equal on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A random seed. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
