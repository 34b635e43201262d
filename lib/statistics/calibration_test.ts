// Tests isotonic regression, reliability and the calibrated classifier, the first two against scikit-learn.
import assert from "node:assert/strict";
import {
  crossValidate,
  crossValidatedReliability,
  fitClassifier,
  shareAtCoverage,
} from "./calibrated_classifier.ts";
import { fitIsotonic } from "./isotonic_regression.ts";
import { type Observation, sigmoid } from "./logistic_regression.ts";
import { reliabilityOf } from "./reliability.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";

type Pair = readonly [number, number];

const SCORED: readonly Pair[] = [
  [-0.5, 0],
  [-0.1, 1],
  [1.3, 1],
  [0.7, 1],
  [-0.3, 0],
  [-0.4, 0],
  [-0.3, 0],
  [1.5, 0],
  [-0.4, 0],
  [-0.3, 0],
  [0.4, 1],
  [-0.1, 1],
  [-0.2, 0],
  [-1.1, 0],
  [0, 1],
  [-0.4, 1],
  [1.2, 1],
  [0.7, 1],
  [-0, 1],
  [0.7, 1],
];
const PREDICTED: readonly Pair[] = [
  [0.871, 1],
  [0, 0],
  [0.567, 1],
  [0.657, 0],
  [0.019, 0],
  [0.175, 0],
  [0.665, 1],
  [0, 0],
  [0.395, 0],
  [0.629, 0],
  [0.263, 0],
  [0.527, 0],
  [0.051, 0],
  [0.039, 1],
  [0.132, 1],
  [0.032, 0],
  [0.12, 0],
  [0.899, 1],
  [0.329, 0],
  [0.116, 1],
  [0.074, 0],
  [0.906, 1],
  [0.198, 0],
  [0.961, 1],
  [0.266, 0],
  [0.272, 0],
  [0.804, 1],
  [0.552, 0],
  [0.337, 0],
  [0.182, 0],
  [0.771, 1],
  [0.169, 0],
  [0.851, 1],
  [0.005, 0],
  [0.185, 0],
  [0.27, 0],
  [0.904, 1],
  [0.063, 0],
  [0.65, 1],
  [0.458, 1],
  [0.514, 0],
  [0.396, 0],
  [0.944, 1],
  [0.111, 0],
  [0.159, 0],
  [0.041, 0],
  [0.003, 0],
  [0.045, 0],
  [0.838, 1],
  [0.706, 0],
  [0.013, 0],
  [0.365, 0],
  [0.23, 1],
  [0.354, 0],
  [0.435, 0],
  [0.094, 0],
  [0.924, 0],
  [0.217, 0],
  [0.395, 0],
  [0.404, 0],
];

function assertNear(actual: number, expected: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

Deno.test("isotonic values are those of scikit-learn's IsotonicRegression, between pools and beyond the ends too", () => {
  const value = fitIsotonic(SCORED.map(([score, outcome]) => ({ score, outcome })));
  const expected: readonly Pair[] = [
    [-3, 0],
    [-1.05, 0],
    [-0.5, 0],
    [-0.15, 0.525974025974026],
    [0, 0.9090909090909091],
    [0.25, 0.9090909090909091],
    [0.6, 0.9090909090909091],
    [1.05, 0.9090909090909091],
    [3, 0.9090909090909091],
  ];
  for (const [score, wanted] of expected) assertNear(value(score), wanted);
});

Deno.test("the reliability curve and its error are those of scikit-learn's calibration_curve by quantiles", () => {
  const { ece, bins } = reliabilityOf(PREDICTED.map(([probability, outcome]) => ({ probability, outcome })));
  const observed = [1 / 15, 0.2, 2 / 15, 0.8];
  const predicted = [0.03933333333333333, 0.19693333333333332, 0.4438, 0.8234];
  assert.deepEqual(bins.map(({ count }) => count), [15, 15, 15, 15]);
  bins.forEach((bin, index) => {
    assertNear(bin.observed, observed[index] ?? NaN);
    assertNear(bin.predicted, predicted[index] ?? NaN);
  });
  assertNear(ece ?? NaN, 0.09106666666666667);
});

Deno.test("with fewer than 30 predictions there is no error and no curve", () => {
  const some = Array.from({ length: 29 }, () => ({ probability: 0.5, outcome: 1 }));
  assert.deepEqual(reliabilityOf(some), { ece: null, bins: [] });
  assert.deepEqual(reliabilityOf([...some, { probability: 0.5, outcome: 0 }]).bins, [
    { count: 15, predicted: 0.5, observed: 1 },
    { count: 15, predicted: 0.5, observed: 14 / 15 },
  ]);
});

/** Observations whose log-odds are twice the feature less one half. */
function observations(count: number): Observation[] {
  const random = seededRandom(1);
  return Array.from({ length: count }, () => {
    const x = 6 * random() - 3;
    return { features: [1, x], outcome: random() < sigmoid(2 * x - 0.5) ? 1 : 0 };
  });
}

/** Far from the truth, and sure of it. */
const WRONG_PRIOR = { weights: [3, -2], precisions: [10, 10] };

Deno.test("the method follows the number of examples, and of the rarer outcome", () => {
  const methodOf = (examples: readonly Observation[]) => fitClassifier(examples, WRONG_PRIOR).method;
  assert.equal(methodOf([]), "prior");
  assert.equal(methodOf(observations(49)), "prior");
  assert.equal(methodOf(observations(50)), "platt");
  assert.equal(methodOf(observations(999)), "platt");
  assert.equal(methodOf(observations(1_000)), "isotonic");
  const rare = observations(2_000).map((example, index) => ({
    ...example,
    outcome: index % 250 === 0 ? 1 : 0,
  }));
  assert.equal(methodOf(rare), "prior");
});

Deno.test("what is learned is calibrated on examples that it has not seen, with a wrong prior too", () => {
  // Ten bins of 30 are off by about 0.05 by chance alone.
  for (const [count, most] of [[300, 0.07], [1_500, 0.04]] as const) {
    const { ece } = crossValidatedReliability(observations(count), WRONG_PRIOR);
    assert.ok(ece !== null && ece < most, `${count}: ${ece}`);
    const { probability } = fitClassifier(observations(count), WRONG_PRIOR);
    for (const x of [-2, 0, 2]) assertNear(probability([1, x]), sigmoid(2 * x - 0.5), 0.12);
  }
});

Deno.test("an example is predicted without itself: outcomes that follow nothing cannot be predicted", () => {
  const random = seededRandom(2);
  const noise = observations(200).map((example) => ({ ...example, outcome: random() < 0.5 ? 1 : 0 }));
  const predictions = crossValidate(noise, { weights: [0, 0], precisions: [1, 1] });
  const right =
    predictions.filter(({ probability, outcome }) => (probability >= 0.5) === (outcome === 1)).length;
  assert.ok(right < 130, `${right} of 200`);
});

Deno.test("the share at half coverage is that of the more probable half of each fold", () => {
  // Two folds' worth of each pair, of which the second is the likelier in its fold, whatever the others are.
  const predictions = [
    [0.1, 0],
    [0.2, 1],
    [0.8, 0],
    [0.9, 1],
    [0.5, 0],
    [0.6, 1],
    [0, 1],
    [0.3, 0],
    [0.4, 0],
    [0.7, 1],
  ]
    .map(([probability = 0, outcome = 0]) => ({ probability, outcome }));
  assert.equal(shareAtCoverage(predictions, 0.5), 0.8);
  assert.equal(shareAtCoverage(predictions, 1), 0.5);
  assert.equal(shareAtCoverage([], 0.5), null);
});
