/** Owns what a sample must be like to be trained or evaluated. */
import type { Hyperparameters } from "./model/hyperparameters.ts";
import { computedTokens } from "./model/micro_batch.ts";
import { type TokenSample, TrainingError } from "./trainer.ts";

interface CheckOptions {
  /** Weights may be below 0. */
  signed?: boolean;
}

function faultOf(
  sample: TokenSample,
  model: Hyperparameters,
  { signed = false }: CheckOptions,
): string | undefined {
  const { prompt, reply, weight = 1 } = sample;
  if (prompt.length === 0) return "has no prompt";
  if (reply.length === 0) return "has no reply";
  if (!Number.isFinite(weight) || weight === 0 || (weight < 0 && !signed)) {
    return `has a weight of ${weight}, which must ${signed ? "not be 0" : "be above 0"}`;
  }
  if (computedTokens(sample) > model.contextLength) {
    return `has ${prompt.length + reply.length} tokens, the model's context only ${model.contextLength}`;
  }
  const isKnown = (token: number) => Number.isInteger(token) && token >= 0 && token < model.vocabularySize;
  return prompt.every(isKnown) && reply.every(isKnown)
    ? undefined
    : "has a token that the model does not know";
}

/** @throws TrainingError `bad_sample` for the first sample that cannot be computed, and for none at all */
export function checkSamples(
  samples: readonly TokenSample[],
  model: Hyperparameters,
  options: CheckOptions = {},
): void {
  if (samples.length === 0) throw new TrainingError("bad_sample", "There are no samples");
  samples.forEach((sample, index) => {
    const fault = faultOf(sample, model, options);
    if (fault !== undefined) throw new TrainingError("bad_sample", `Sample ${index + 1} ${fault}`);
  });
}
