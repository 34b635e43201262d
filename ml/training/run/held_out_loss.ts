/** Owns the measure of held-out replies: loss per token over all of them, end marks included. */
import { type TokenSample, type Trainer, TrainingError } from "../trainer.ts";

/** Evaluated at a time, between which a cancellation can arrive. */
const SAMPLES_AT_ONCE = 16;

export interface HeldOutMeasure {
  /** Mean negative natural log-probability per reply token. */
  loss: number;
  tokens: number;
}

/**
 * Measures a model on samples.
 *
 * @param options `adapterScale`: 0 asks the base model
 * @throws TrainingError `diverged` when the loss is no number
 */
export async function heldOutLoss(
  trainer: Trainer,
  samples: readonly TokenSample[],
  options: { adapterScale: 0 | 1; signal: AbortSignal },
): Promise<HeldOutMeasure> {
  let [logLikelihood, tokens] = [0, 0];
  for (let from = 0; from < samples.length; from += SAMPLES_AT_ONCE) {
    const likelihoods = await trainer.evaluate(samples.slice(from, from + SAMPLES_AT_ONCE), options);
    for (const likelihood of likelihoods) {
      logLikelihood += likelihood.logLikelihood;
      tokens += likelihood.tokens;
    }
  }
  const loss = -logLikelihood / tokens;
  if (Number.isFinite(loss)) return { loss, tokens };
  throw new TrainingError("diverged", "The held-out loss is no number any more: lower the learning rate");
}
