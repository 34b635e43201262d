/** Tests the curves of a training: every step of a short one, and of a long one no more points than a plot has places. */
import assert from "node:assert/strict";
import { CurveFold, type Point, type TrainingCurves } from "./training_curves.ts";
import type { StepEvent } from "../job/training_event.ts";
import { trainingPlot } from "./training_plot.ts";

/** Losses that fall from 4 and jump a little. */
function lossAt(step: number, steps: number): number {
  return 4 - 2 * step / steps + (step * 7_919 % 100) / 1_000;
}

function stepEvent(step: number, options: { steps: number; epochs: number; loss?: number }): StepEvent {
  const { steps, epochs, loss = lossAt(step, steps) } = options;
  const epoch = Math.ceil(step * epochs / steps);
  return {
    type: "step",
    step,
    steps,
    epoch,
    loss,
    learningRate: step / steps,
    tokensPerSecond: 1,
    etaMs: null,
  };
}

/** The curves of a training of even epochs; `jumps` names steps whose loss is another. */
function curvesOf(
  options: { steps: number; epochs: number; jumps?: Readonly<Record<number, number>> },
): TrainingCurves {
  const { steps, epochs, jumps = {} } = options;
  const fold = new CurveFold();
  const measure = (epoch: number, step: number) =>
    fold.add({ type: "epoch", epoch, step, heldOutLoss: 4 - epoch / 100, heldOutPerplexity: 50 });
  measure(0, 0);
  for (let step = 1; step <= steps; step++) {
    const event = stepEvent(step, { steps, epochs, loss: jumps[step] });
    fold.add(event);
    if (step % (steps / epochs) === 0) measure(event.epoch, step);
  }
  return fold.curves({ examplesLoss: 3.5 });
}

function valuesOf(points: readonly Point[]): number[] {
  return points.map(({ value }) => value);
}

Deno.test("a short training's curves contain every step, and each epoch the mean of its steps", () => {
  const [steps, epochs] = [40, 4];
  const { loss, smoothLoss, learningRate, heldOut, ...facts } = curvesOf({ steps, epochs });
  const expected = Array.from({ length: steps }, (_, index) => lossAt(index + 1, steps));
  assert.deepEqual(loss, expected.map((value, index) => ({ step: index + 1, value })));
  assert.equal(learningRate.length, steps);
  assert.equal(smoothLoss[0]?.value, expected[0]);
  assert.ok(valuesOf(smoothLoss).every((value) => value >= Math.min(...expected) && value <= 4.1));
  assert.deepEqual(heldOut.map(({ step }) => step), [0, 10, 20, 30, 40]);
  const means = facts.epochs.map(({ trainingLoss }) => trainingLoss);
  const mean = (from: number) => expected.slice(from, from + 10).reduce((sum, value) => sum + value, 0) / 10;
  assert.deepEqual(means.map((value) => value?.toFixed(9)), [
    undefined,
    ...[0, 10, 20, 30].map((from) => mean(from).toFixed(9)),
  ]);
  assert.deepEqual([facts.step, facts.steps, facts.baseLoss, facts.examplesLoss], [40, 40, 4, 3.5]);
});

Deno.test("a long training's curves and plot do not grow with its steps, and lose no peak", () => {
  const jumps = { 123_457: 9, 123_458: 0.5 };
  const curves = curvesOf({ steps: 200_000, epochs: 100, jumps });
  for (const points of [curves.loss, curves.smoothLoss, curves.learningRate]) {
    assert.ok(points.length >= 1_000 && points.length <= 2_000, String(points.length));
    const steps = points.map(({ step }) => step);
    assert.deepEqual(steps, [...steps].sort((a, b) => a - b));
  }
  assert.deepEqual(
    [Math.max(...valuesOf(curves.loss)), Math.min(...valuesOf(curves.loss))],
    [9, 0.5],
  );
  assert.equal(curves.learningRate.at(-1)?.value, 1, "the last step is there");
  assert.deepEqual([curves.epochs.length, curves.step], [101, 200_000]);
  const svg = trainingPlot(curves);
  assert.ok(svg.length < 200_000, String(svg.length));
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});
