/**
 * Takes steps on pairs: direct preference optimization (arXiv 2305.18290) plus the preferred reply's own loss
 * (arXiv 2404.19733), without which both replies of a pair tend to become less probable.
 *
 * For a pair with the preferred reply c and the other one r, policy p and base model b:
 * `-log sigmoid(beta * (log p(c)/b(c) - log p(r)/b(r))) - anchor * log p(c) / tokens`.
 */
import type { PreparedSample } from "../samples/prepare_samples.ts";
import type { StepResult, TokenSample, Trainer } from "../trainer.ts";

/** Pairs evaluated at a time; a cancellation takes effect between two groups. */
const PAIRS_AT_ONCE = 8;

export interface PreferenceOptions {
  beta: number;
  /** Weight of the preferred replies' mean loss per token. */
  anchor: number;
}

/** Log-probabilities of a pair's replies, summed over their tokens. */
export interface PairLikelihood {
  preferred: number;
  rejected: number;
}

type TakeStep = (
  batch: readonly PreparedSample[],
  options: { learningRate: number; signal: AbortSignal },
) => Promise<StepResult>;

/** Both replies of each pair, the preferred one first. */
function repliesOf(pairs: readonly PreparedSample[]): TokenSample[] {
  return pairs.flatMap((
    { prompt, reply, rejected = [] },
  ) => [{ prompt, reply }, { prompt, reply: rejected }]);
}

async function likelihoodsOf(
  trainer: Trainer,
  pairs: readonly PreparedSample[],
  options: { adapterScale: 0 | 1; signal: AbortSignal },
): Promise<PairLikelihood[]> {
  const replies = await trainer.evaluate(repliesOf(pairs), options);
  return pairs.map((_, index) => ({
    preferred: replies[2 * index]?.logLikelihood ?? NaN,
    rejected: replies[2 * index + 1]?.logLikelihood ?? NaN,
  }));
}

/** log(1 + e^x) without overflow. */
function softPlus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** How much more than the base model the policy prefers the preferred reply, times beta. */
function marginOf(policy: PairLikelihood, base: PairLikelihood, beta: number): number {
  return beta * (policy.preferred - base.preferred - (policy.rejected - base.rejected));
}

/**
 * The loss of pairs, and the weights with which a step on the weighted sum of their replies' log-probabilities follows
 * its gradient: `-d loss / d log p(c)` and `-d loss / d log p(r)`.
 */
export function preferenceLoss(
  pairs: readonly PreparedSample[],
  options: PreferenceOptions & { policy: readonly PairLikelihood[]; base: readonly PairLikelihood[] },
): { loss: number; weights: { preferred: number; rejected: number }[] } {
  const { beta, anchor, policy, base } = options;
  const totalWeight = pairs.reduce((sum, { weight }) => sum + weight, 0);
  const totalTokens = pairs.reduce((sum, { weight, reply }) => sum + weight * reply.length, 0);
  let loss = 0;
  const weights = pairs.map(({ weight }, index) => {
    const [now, before] = [policy[index], base[index]];
    if (now === undefined || before === undefined) throw new Error("A pair has no likelihoods");
    const margin = marginOf(now, before, beta);
    const share = weight / totalWeight;
    const anchored = anchor * weight / totalTokens;
    loss += share * softPlus(-margin) - anchored * now.preferred;
    const pull = share * beta / (1 + Math.exp(margin));
    return { preferred: pull + anchored, rejected: -pull };
  });
  return { loss, weights };
}

/** Whether a weight survives as a 32-bit float; a pair that the policy is sure of has none and no gradient. */
function hasWeight({ weight = 0 }: TokenSample): boolean {
  return Math.fround(weight) !== 0;
}

/**
 * Evaluates every pair with the base model, once.
 *
 * @param options `onEvaluated` is called as replies are evaluated, two of each pair
 * @returns a step on a batch of them; its loss is the pairs' mean
 * @throws the signal's reason
 */
export async function preferenceSteps(
  trainer: Trainer,
  pairs: readonly PreparedSample[],
  options: PreferenceOptions & { signal: AbortSignal; onEvaluated?: (replies: number) => void },
): Promise<TakeStep> {
  const { signal } = options;
  const base = new Map<PreparedSample, PairLikelihood>();
  for (let from = 0; from < pairs.length; from += PAIRS_AT_ONCE) {
    const some = pairs.slice(from, from + PAIRS_AT_ONCE);
    const likelihoods = await likelihoodsOf(trainer, some, { adapterScale: 0, signal });
    some.forEach((pair, index) => base.set(pair, likelihoods[index] ?? { preferred: NaN, rejected: NaN }));
    options.onEvaluated?.(2 * some.length);
  }
  return async (batch, { learningRate, signal }) => {
    const policy = await likelihoodsOf(trainer, batch, { adapterScale: 1, signal });
    const known = batch.flatMap((pair) => base.get(pair) ?? []);
    const { loss, weights } = preferenceLoss(batch, { ...options, policy, base: known });
    const replies = repliesOf(batch).map((sample, index) => {
      const pair = weights[index >> 1];
      return { ...sample, weight: index % 2 === 0 ? pair?.preferred : pair?.rejected };
    });
    const result = await trainer.step(replies.filter(hasWeight), { learningRate, signal, weighting: "sum" });
    return { ...result, loss };
  };
}
