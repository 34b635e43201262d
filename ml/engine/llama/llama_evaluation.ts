/** Evaluates samples on a loaded model: how probable it finds a reply that was really given. */
import type { Likelihood, Sample } from "../engine.ts";
import { logProbability } from "../libllama/logits.ts";
import type { ServedModel } from "./llama_model.ts";
import { type SampleTokens, sampleTokens } from "./sample_tokens.ts";

/** The natural logarithm of the probability of each token of `reply` after `prompt`. */
async function logProbabilities(
  { loop, adapter, pool }: ServedModel,
  { prompt, reply }: SampleTokens,
  { signal }: { signal?: AbortSignal },
): Promise<number[]> {
  if (reply.length === 0) return [];
  const logs: number[] = [];
  using lease = pool.acquire({ tokens: prompt, adapter });
  await loop.run({
    sequence: lease.sequence,
    adapter,
    tokens: [...prompt, ...reply.slice(0, -1)],
    outputs: reply.length,
    next: (logits) => {
      logs.push(logProbability(logits, reply[logs.length] ?? NaN));
      return undefined;
    },
    signal,
  });
  return logs;
}

/** How probable the model finds each sample's reply. */
export async function evaluateSamples(
  loaded: ServedModel,
  samples: readonly Sample[],
  options: { signal?: AbortSignal },
): Promise<Likelihood[]> {
  const likelihoods: Likelihood[] = [];
  for (const sample of samples) {
    const logs = await logProbabilities(loaded, sampleTokens(sample, loaded), options);
    likelihoods.push({ tokens: logs.length, logLikelihood: logs.reduce((sum, log) => sum + log, 0) });
  }
  return likelihoods;
}
