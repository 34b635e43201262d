/** Owns the learning rate over a training: a straight rise, then a cosine down to nothing. */

/** Steps of the rise when nobody says otherwise. */
const USUAL_WARMUP_STEPS = 5;
const LARGEST_WARMUP_SHARE = 0.1;

export function defaultWarmupSteps(steps: number): number {
  return Math.min(USUAL_WARMUP_STEPS, Math.ceil(steps * LARGEST_WARMUP_SHARE));
}

/** The rate of a step, counted from 0. The step after the rise has the whole rate, none has a rate of 0. */
export function learningRateAt(
  step: number,
  options: { peak: number; warmupSteps: number; steps: number },
): number {
  const { peak, warmupSteps, steps } = options;
  if (step < warmupSteps) return peak * (step + 1) / (warmupSteps + 1);
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return peak * (1 + Math.cos(Math.PI * progress)) / 2;
}
