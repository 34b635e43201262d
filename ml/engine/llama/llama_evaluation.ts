/** Evaluates samples on a loaded model: how probable it finds a reply that was really given. */
import type { LlamaContextSequence, Token } from "node-llama-cpp";
import { promptOfSampleInput } from "../../../contract/prompt.ts";
import { ApiError } from "../../../lib/errors.ts";
import { fitPrompt, promptFormOf, replyTokens } from "../chat_prompt.ts";
import type { Likelihood, Sample } from "../engine.ts";
import type { ServedModel } from "./llama_model.ts";
import { evaluatePrompt } from "./sequences.ts";

/** Tokens evaluated at a time: the probabilities of a large vocabulary take megabytes per token. */
const CHUNK_TOKENS = 8;
/** llama.cpp's greedy chain leaves the probabilities of the vocabulary unchanged. */
const ALL_PROBABILITIES = { generateNext: { probabilities: true, options: { temperature: 0 } } } as const;

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
export async function logProbabilities(
  sequence: LlamaContextSequence,
  { prompt, reply }: SampleTokens,
  options: { signal?: AbortSignal },
): Promise<number[]> {
  await evaluatePrompt(sequence, prompt, options);
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(sequence.nextTokenIndex, -1));
  const inputs = [...prompt.slice(-1), ...reply.slice(0, -1)];
  const logs: number[] = [];
  while (logs.length < reply.length) {
    options.signal?.throwIfAborted();
    const from = logs.length;
    const outputs = await sequence.controlledEvaluate(
      inputs.slice(from, from + CHUNK_TOKENS).map((token) => [token, ALL_PROBABILITIES]),
    );
    outputs.forEach((output, index) => {
      const token = reply[from + index];
      const probability = token === undefined ? undefined : output?.next.probabilities?.get(token);
      if (probability === undefined) throw new Error("llama.cpp gave no probability for a token");
      logs.push(Math.log(probability));
    });
  }
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
    const tokens = sampleTokens(sample, loaded);
    await using lease = loaded.pool.acquire(tokens.prompt);
    try {
      const logs = await logProbabilities(lease.sequence, tokens, options);
      likelihoods.push({ tokens: logs.length, logLikelihood: logs.reduce((sum, log) => sum + log, 0) });
    } catch (error) {
      if (!options.signal?.aborted) lease.invalidate();
      throw error;
    }
  }
  return likelihoods;
}
