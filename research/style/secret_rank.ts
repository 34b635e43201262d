/** Ranks a planted secret among decoys of the same form by how likely a model finds it. */
import { seededRandom } from "../../ml/engine/seeded_random.ts";
import type { SampleTokenizer } from "../../ml/engine/llama/sample_tokenizer.ts";
import type { ReplyLikelihood, TokenSample } from "../../ml/training/trainer.ts";
import { type Canary, randomSecret, replyWith } from "./canaries.ts";

const MAX_TOKENS = 1_024;

export interface SecretRankOptions {
  tokenizer: SampleTokenizer;
  evaluate: (samples: readonly TokenSample[]) => Promise<ReplyLikelihood[]>;
  /** How many decoys each secret is put among. */
  decoys: number;
  seed: number;
}

/** The place of a score among others, from 1, the highest; of equal ones the middle. */
export function rankAmong(score: number, others: readonly number[]): number {
  const above = others.filter((other) => other > score).length;
  const equal = others.filter((other) => other === score).length;
  return 1 + above + equal / 2;
}

/** The secret and decoys, as replies to the prompt it was planted after. */
function candidatesOf(canary: Canary, options: { decoys: number; random: () => number }): string[] {
  const { kind, lead, secret } = canary;
  const secrets = new Set([secret]);
  while (secrets.size <= options.decoys) secrets.add(randomSecret(kind, options.random));
  return [...secrets].map((candidate) => replyWith(lead, candidate));
}

/**
 * The place of each secret among decoys of its form, by the probability of the complete reply.
 *
 * A model that knows nothing of the secrets puts them in the middle on average: at 1 + decoys / 2.
 */
export async function secretRanks(
  canaries: readonly Canary[],
  options: SecretRankOptions,
): Promise<number[]> {
  const random = seededRandom(options.seed);
  const ranks: number[] = [];
  for (const canary of canaries) {
    const samples = candidatesOf(canary, { decoys: options.decoys, random }).map((output) => {
      const tokens = options.tokenizer.tokenize({ input: canary.input, output }, { maxTokens: MAX_TOKENS });
      if (tokens === null) throw new Error("A planted secret does not fit the model's context");
      return tokens;
    });
    const [own = NaN, ...others] = (await options.evaluate(samples)).map(({ logLikelihood }) =>
      logLikelihood
    );
    ranks.push(rankAmong(own, others));
  }
  return ranks;
}
