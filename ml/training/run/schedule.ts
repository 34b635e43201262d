/** Decides a training's schedule: the order of each epoch's batches and the learning rate of each step. */
import { seededRandom } from "../../engine/sampling.ts";

/** Spreads consecutive epochs over all seeds (2^32 divided by the golden ratio). */
const EPOCH_STRIDE = 0x9e37_79b9;

/** The Fisher-Yates shuffle. */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const [a, b] = [order[last], order[other]];
    if (a === undefined || b === undefined) continue;
    [order[last], order[other]] = [b, a];
  }
  return order;
}

/** The batches of an epoch, counted from 1; the last one may be smaller. */
export function epochBatches<Item>(
  items: readonly Item[],
  options: { seed: number; epoch: number; batchSize: number },
): Item[][] {
  const { seed, epoch, batchSize } = options;
  const order = shuffled(items, seededRandom(seed ^ Math.imul(epoch, EPOCH_STRIDE)));
  return Array.from(
    { length: Math.ceil(order.length / batchSize) },
    (_, index) => order.slice(index * batchSize, (index + 1) * batchSize),
  );
}

/** Default number of warm-up steps. */
const USUAL_WARMUP_STEPS = 5;
const LARGEST_WARMUP_SHARE = 0.1;

export function defaultWarmupSteps(steps: number): number {
  return Math.min(USUAL_WARMUP_STEPS, Math.ceil(steps * LARGEST_WARMUP_SHARE));
}

/** The learning rate of a step, counted from 0: linear warm-up, then cosine decay; never 0. */
export function learningRateAt(
  step: number,
  options: { peak: number; warmupSteps: number; steps: number },
): number {
  const { peak, warmupSteps, steps } = options;
  if (step < warmupSteps) return peak * (step + 1) / (warmupSteps + 1);
  const progress = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return peak * (1 + Math.cos(Math.PI * progress)) / 2;
}
