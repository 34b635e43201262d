/** Owns the axes of a training's plot: from values to places, and round numbers to write beside them. */

export interface Scale {
  /** Place of a value. */
  at(value: number): number;
  /** Round values within the range, smallest first. */
  ticks: number[];
}

/** Steps that read well: 1, 2 or 5 times a power of ten. */
const ROUND_STEPS = [1, 2, 5, 10];

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (ROUND_STEPS.find((step) => step * power >= rough * 0.999) ?? 10) * power;
}

/** A straight scale from `[low, high]` to `[from, to]`; a range of nothing is widened. */
export function scaleOf(
  range: readonly [low: number, high: number],
  options: { from: number; to: number; ticks: number },
): Scale {
  const low = range[0];
  const high = range[1] > low ? range[1] : low + (Math.abs(low) || 1) * 0.1;
  const { from, to } = options;
  const step = roundStep((high - low) / Math.max(1, options.ticks));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return {
    at: (value) => from + (value - low) / (high - low) * (to - from),
    // Multiplied, not added up: sums of tenths are not round.
    ticks: Array.from(
      { length: last - first + 1 },
      (_, index) => Number(((first + index) * step).toPrecision(12)),
    ),
  };
}
