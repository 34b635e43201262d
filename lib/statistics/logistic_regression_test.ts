// Tests logistic regression against closed forms and against scikit-learn.
import assert from "node:assert/strict";
import { dot, fitLogistic, type Observation, sigmoid } from "./logistic_regression.ts";

/** Two features and the outcome. */
const ROWS: readonly (readonly [number, number, number])[] = [
  [0, 0.3, 0],
  [-0.27, -0.89, 1],
  [-0.45, -0.99, 1],
  [0.06, 1.34, 0],
  [-0.49, -0.62, 1],
  [0.49, 0.36, 1],
  [0.11, -0.93, 1],
  [-0.03, 0.7, 1],
  [-1.34, -0.46, 0],
  [-1.9, -1.29, 0],
  [-1.84, -0.24, 0],
  [-1.27, 0.27, 0],
  [0.16, -0.19, 1],
  [-2.52, -0.54, 0],
  [-0.05, 0.11, 1],
  [-1.53, -0.48, 0],
  [-0.98, -0.81, 0],
  [1.06, -0.81, 1],
  [-0.03, 0.88, 1],
  [-0.58, -0.11, 1],
  [0.11, 0.06, 0],
  [-1.23, 0.08, 0],
  [1.36, -1.55, 1],
  [0.86, 0.12, 0],
];
const OBSERVATIONS: readonly Observation[] = ROWS.map(([first, second, outcome]) => ({
  features: [1, first, second],
  outcome,
}));

function assertNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    assert.ok(Math.abs(value - (expected[index] ?? NaN)) < tolerance, `${actual} is not near ${expected}`);
  });
}

Deno.test("the weights are those of scikit-learn's LogisticRegression(C=2, fit_intercept=False)", () => {
  const weights = fitLogistic(OBSERVATIONS, { weights: [0, 0, 0], precisions: [0.5, 0.5, 0.5] });
  assertNear(weights, [0.44782413094286155, 1.4975388373663228, -0.760295866942442], 1e-5);
});

Deno.test("with one binary feature and hardly a prior, the probabilities are the shares", () => {
  const of = (feature: number, positives: number, count: number) =>
    Array.from(
      { length: count },
      (_, index) => ({ features: [1, feature], outcome: index < positives ? 1 : 0 }),
    );
  const weights = fitLogistic([...of(0, 3, 10), ...of(1, 16, 20)], {
    weights: [0, 0],
    precisions: [1e-9, 1e-9],
  });
  assertNear([sigmoid(dot(weights, [1, 0])), sigmoid(dot(weights, [1, 1]))], [0.3, 0.8], 1e-6);
});

Deno.test("the slope of the posterior is 0 at its peak, around a prior elsewhere, with a precision for each weight", () => {
  const prior = { weights: [2, -1, 0.5], precisions: [0.1, 4, 30] };
  const weights = fitLogistic(OBSERVATIONS, prior);
  const slope = weights.map((weight, column) =>
    (prior.precisions[column] ?? 0) * (weight - (prior.weights[column] ?? 0)) +
    OBSERVATIONS.reduce(
      (sum, { features, outcome }) =>
        sum + (sigmoid(dot(weights, features)) - outcome) * (features[column] ?? 0),
      0,
    )
  );
  assertNear(slope, [0, 0, 0], 1e-6);
});

Deno.test("nothing observed leaves the prior, and outcomes that a feature separates have finite weights", () => {
  const prior = { weights: [0.3, -2], precisions: [1, 1] };
  assert.deepEqual(fitLogistic([], prior), prior.weights);
  const separated = [-1e6, -3, 3, 1e6].map((x) => ({ features: [1, x], outcome: x > 0 ? 1 : 0 }));
  const weights = fitLogistic(separated, { weights: [0, 0], precisions: [0.01, 0.01] });
  assert.ok(weights.every(Number.isFinite), String(weights));
  assert.ok(sigmoid(dot(weights, [1, 3])) > 0.9);
});

Deno.test("a probability is one at any log-odds", () => {
  assert.deepEqual([sigmoid(-1e9), sigmoid(0), sigmoid(1e9)], [0, 0.5, 1]);
});
