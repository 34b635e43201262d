/** Builds the curves and axes of a training's plot from its metrics, with no more points than the plot can show. */
import type { EpochEvent, EpochMeasure, StepEvent } from "../job/training_event.ts";

export interface Point {
  step: number;
  value: number;
}

export interface TrainingCurves {
  /** Loss of each step's batch. */
  loss: Point[];
  /** The same, smoothed. */
  smoothLoss: Point[];
  learningRate: Point[];
  /** After each epoch; the first is the base model's. */
  heldOut: Point[];
  epochs: EpochMeasure[];
  /** The latest step; 0 before the first. */
  step: number;
  /** Steps of the complete job; 0 before the first. */
  steps: number;
  baseLoss: number | null;
  /** The base model's with examples in its prompt. */
  examplesLoss: number | null;
}

export interface CurveOptions {
  examplesLoss?: number;
}

/** How far back the smoothed curve looks, as a share of all steps. */
const SMOOTHING_SHARE = 0.03;
/** Buckets along a curve: more than a plot has pixels. */
const PLACES = 1_000;

/** A curve of any number of steps, reduced to the lowest and the highest point of each bucket. */
class ThinCurve {
  readonly #places = new Map<number, { low: Point; high: Point }>();

  add(point: Point, place: number): void {
    const { low, high } = this.#places.get(place) ?? { low: point, high: point };
    this.#places.set(place, {
      low: point.value < low.value ? point : low,
      high: point.value > high.value ? point : high,
    });
  }

  get points(): Point[] {
    return [...this.#places.values()].flatMap(({ low, high }) => {
      if (low === high) return [low];
      return low.step < high.step ? [low, high] : [high, low];
    });
  }
}

/** What a step adds to the curves. */
type CurveStep = Pick<StepEvent, "type" | "step" | "steps" | "loss" | "learningRate">;

/** Builds curves from a stream of metrics in bounded memory. */
export class CurveFold {
  readonly #loss = new ThinCurve();
  readonly #smoothLoss = new ThinCurve();
  readonly #learningRate = new ThinCurve();
  readonly #epochs: EpochMeasure[] = [];
  #latest: CurveStep | null = null;
  #mean = 0;
  /** Steps since the last epoch ended. */
  #epochLoss = { sum: 0, steps: 0 };

  add(metric: CurveStep | EpochEvent): void {
    if (metric.type === "step") this.#addStep(metric);
    else this.#addEpoch(metric);
  }

  curves({ examplesLoss }: CurveOptions = {}): TrainingCurves {
    return {
      loss: this.#loss.points,
      smoothLoss: this.#smoothLoss.points,
      learningRate: this.#learningRate.points,
      heldOut: this.#epochs.map(({ step, heldOutLoss: value }) => ({ step, value })),
      epochs: [...this.#epochs],
      step: this.#latest?.step ?? 0,
      steps: this.#latest?.steps ?? 0,
      baseLoss: this.#epochs.find(({ epoch }) => epoch === 0)?.heldOutLoss ?? null,
      examplesLoss: examplesLoss ?? null,
    };
  }

  #addStep(metric: CurveStep): void {
    const { step, steps, loss, learningRate } = metric;
    const reach = Math.max(1, steps * SMOOTHING_SHARE);
    this.#mean = this.#latest === null ? loss : this.#mean + (loss - this.#mean) / Math.min(reach, step);
    const place = Math.floor((step - 1) * Math.min(1, PLACES / steps));
    this.#loss.add({ step, value: loss }, place);
    this.#smoothLoss.add({ step, value: this.#mean }, place);
    this.#learningRate.add({ step, value: learningRate }, place);
    this.#latest = metric;
    this.#epochLoss = { sum: this.#epochLoss.sum + loss, steps: this.#epochLoss.steps + 1 };
  }

  #addEpoch({ type: _, ...measure }: EpochEvent): void {
    const { sum, steps } = this.#epochLoss;
    this.#epochs.push({ ...measure, trainingLoss: steps > 0 ? sum / steps : null });
    this.#epochLoss = { sum: 0, steps: 0 };
  }
}

/** The lowest and the highest loss; `[0, 1]` when there is none. */
export function lossRange({ smoothLoss, heldOut, baseLoss, examplesLoss }: TrainingCurves): [number, number] {
  const values = [...smoothLoss, ...heldOut].map(({ value }) => value);
  for (const level of [baseLoss, examplesLoss]) if (level !== null) values.push(level);
  if (values.length === 0) return [0, 1];
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

export interface Scale {
  /** Position of a value. */
  at(value: number): number;
  /** Round values within the range, smallest first. */
  ticks: number[];
}

/** Readable steps: 1, 2 or 5 times a power of ten. */
const ROUND_STEPS = [1, 2, 5, 10];

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (ROUND_STEPS.find((step) => step * power >= rough * 0.999) ?? 10) * power;
}

/** A linear scale from `[low, high]` to `[from, to]`; an empty range is widened. */
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
    // Multiplied, not accumulated: sums of tenths are not round.
    ticks: Array.from(
      { length: last - first + 1 },
      (_, index) => Number(((first + index) * step).toPrecision(12)),
    ),
  };
}
