/** How far predicted probabilities agree with what happened: the reliability curve and the expected calibration error. */

export interface Prediction {
  /** In [0, 1]. */
  readonly probability: number;
  /** Whether it happened: 1 or 0. */
  readonly outcome: number;
}

/** Predictions near each other. */
export interface ReliabilityBin {
  readonly count: number;
  /** The mean probability. */
  readonly predicted: number;
  /** The share that happened. */
  readonly observed: number;
}

export interface Reliability {
  /** Mean distance between predicted and observed over all predictions; null for too few to tell. */
  readonly ece: number | null;
  /** From the lowest probability to the highest; none for too few. */
  readonly bins: readonly ReliabilityBin[];
}

const MAX_BINS = 10;
/** Fewer to a bin, and its share is chance. */
const MIN_BIN = 15;
/** With fewer, the error is that of the small number. */
export const MIN_PREDICTIONS = 30;

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Bins of equal counts: bins of equal width would leave most of them empty where all probabilities are low. */
export function reliabilityOf(predictions: readonly Prediction[]): Reliability {
  const count = predictions.length;
  if (count < MIN_PREDICTIONS) return { ece: null, bins: [] };
  const sorted = predictions.toSorted((a, b) => a.probability - b.probability);
  const size = count / Math.min(MAX_BINS, Math.floor(count / MIN_BIN));
  const bins = Array.from({ length: Math.round(count / size) }, (_, index): ReliabilityBin => {
    const part = sorted.slice(Math.round(index * size), Math.round((index + 1) * size));
    const predicted = meanOf(part.map(({ probability }) => probability));
    return { count: part.length, predicted, observed: meanOf(part.map(({ outcome }) => outcome)) };
  });
  const error = bins.reduce((sum, bin) => sum + bin.count * Math.abs(bin.predicted - bin.observed), 0);
  return { ece: error / count, bins };
}
