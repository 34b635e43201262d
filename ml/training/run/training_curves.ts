/** Owns what a plot of a training shows: its curves out of the metrics, and the losses to compare them with. */
import type { Metric } from "./metrics_file.ts";

export interface Point {
  step: number;
  value: number;
}

export interface TrainingCurves {
  /** Loss of each step's batch. */
  loss: Point[];
  /** The same, its jumps evened out. */
  smoothLoss: Point[];
  learningRate: Point[];
  /** After each epoch; the first is the base model's. */
  heldOut: Point[];
  /** Steps of the whole job, or as many as there are. */
  steps: number;
  baseLoss: number | null;
  examplesLoss: number | null;
}

/** How far back the evened-out curve looks, as a share of all steps. */
const SMOOTHING_SHARE = 0.03;

function smoothed(points: readonly Point[]): Point[] {
  const reach = Math.max(1, points.length * SMOOTHING_SHARE);
  let mean: number | undefined;
  return points.map(({ step, value }) => {
    mean = mean === undefined ? value : mean + (value - mean) / Math.min(reach, step);
    return { step, value: mean };
  });
}

/** Reads curves off metrics. */
export function curvesOf(
  metrics: readonly Metric[],
  options: { examplesLoss?: number } = {},
): TrainingCurves {
  const steps = metrics.filter((metric) => metric.type === "step");
  const epochs = metrics.filter((metric) => metric.type === "epoch");
  const loss = steps.map(({ step, loss: value }) => ({ step, value }));
  return {
    loss,
    smoothLoss: smoothed(loss),
    learningRate: steps.map(({ step, learningRate: value }) => ({ step, value })),
    heldOut: epochs.map(({ step, heldOutLoss: value }) => ({ step, value })),
    steps: steps.at(-1)?.steps ?? 0,
    baseLoss: epochs.find(({ epoch }) => epoch === 0)?.heldOutLoss ?? null,
    examplesLoss: options.examplesLoss ?? null,
  };
}

/** The lowest and the highest of all losses; of none `[0, 1]`. */
export function lossRange({ smoothLoss, heldOut, baseLoss, examplesLoss }: TrainingCurves): [number, number] {
  const values = [...smoothLoss, ...heldOut].map(({ value }) => value);
  for (const level of [baseLoss, examplesLoss]) if (level !== null) values.push(level);
  if (values.length === 0) return [0, 1];
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}
