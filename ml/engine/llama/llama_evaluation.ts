/** Evaluates samples on a loaded model: how probable it finds a reply that was really given. */
import type { Token } from "node-llama-cpp";
import { promptOfSampleInput } from "../../../contract/prompt.ts";
import { ApiError } from "../../../lib/errors.ts";
import { fitPrompt, promptFormOf, replyTokens } from "../chat_prompt.ts";
import type { Likelihood, Sample } from "../engine.ts";
import { logProbability } from "../libllama/logits.ts";
import type { ServedModel } from "./llama_model.ts";

/** A sample's tokens: the prompt, rendered through the model's template and shortened to fit, and the reply. */
export interface SampleTokens {
  prompt: Token[];
  reply: Token[];
}

/**
 * Tokenises a sample exactly as a prompt is rendered and a reply generated.
 *
 * @throws ApiError `validation_failed` when the reply alone does not fit the context
 */
export function sampleTokens(
  sample: Sample,
  { model, template, contextSize }: Pick<ServedModel, "model" | "template" | "contextSize">,
): SampleTokens {
  const form = promptFormOf(promptOfSampleInput(sample.input), { template });
  const reply = replyTokens(sample.output, { form, model });
  const maxTokens = contextSize - reply.length - 1;
  if (maxTokens < 1) {
    throw new ApiError(
      "validation_failed",
      `A sample's output has ${reply.length} tokens, the model's context only ${contextSize}`,
    );
  }
  return { prompt: fitPrompt(form, model, { maxTokens }), reply };
}

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
