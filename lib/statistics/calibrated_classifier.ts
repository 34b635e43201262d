/** A probability learned from few examples: a logistic regression from a prior, calibrated on what it had not seen. */
import { fitIsotonic, type ScoredOutcome } from "./isotonic_regression.ts";
import { dot, fitLogistic, type LogisticPrior, type Observation, sigmoid } from "./logistic_regression.ts";
import { type Prediction, type Reliability, reliabilityOf } from "./reliability.ts";

/** How scores become probabilities; see {@linkcode fitClassifier}. */
export type CalibrationMethod = "prior" | "platt" | "isotonic";

/** From so many examples on, if as many of each outcome as below: two parameters. */
const PLATT_FROM = 50;
/** From so many on: a step function follows chance where it has fewer. */
const ISOTONIC_FROM = 1_000;
const MIN_OF_EACH = 10;
const FOLDS = 5;
/** Of slope and intercept of the calibration, around no change. */
const PLATT_PRIOR: LogisticPrior = { weights: [0, 1], precisions: [1, 1] };

export interface Classifier {
  readonly method: CalibrationMethod;
  /** Log-odds before calibration: the order of examples by it has no ties where features differ. */
  score(features: readonly number[]): number;
  /** In [0, 1]. */
  probability(features: readonly number[]): number;
}

/** The part of a list that is a fold: each holds neighbours. */
function foldOf<Item>(items: readonly Item[], fold: number): Item[] {
  return items.slice(Math.round(fold * items.length / FOLDS), Math.round((fold + 1) * items.length / FOLDS));
}

/** What was not fitted on is predicted, a fold at a time. Folds are consecutive, so that neighbours stay together. */
function crossPredict(
  observations: readonly Observation[],
  fit: (others: readonly Observation[]) => (features: readonly number[]) => number,
): number[] {
  return Array.from({ length: FOLDS }, (_, fold) => {
    const from = Math.round(fold * observations.length / FOLDS);
    const to = Math.round((fold + 1) * observations.length / FOLDS);
    const predict = fit([...observations.slice(0, from), ...observations.slice(to)]);
    return observations.slice(from, to).map(({ features }) => predict(features));
  }).flat();
}

function methodFor(observations: readonly Observation[]): CalibrationMethod {
  const positives = observations.filter(({ outcome }) => outcome >= 0.5).length;
  const fewer = Math.min(positives, observations.length - positives);
  if (observations.length < PLATT_FROM || fewer < MIN_OF_EACH) return "prior";
  return observations.length < ISOTONIC_FROM ? "platt" : "isotonic";
}

function plattOf(points: readonly ScoredOutcome[]): (score: number) => number {
  const observations = points.map(({ score, outcome }) => ({ features: [1, score], outcome }));
  const weights = fitLogistic(observations, PLATT_PRIOR);
  return (score) => sigmoid(dot(weights, [1, score]));
}

/**
 * Fits the weights, and then the calibration on scores of examples that the weights had not seen.
 *
 * With fewer than 50 examples, or 10 of either outcome, the weights are all there is (`prior`): they begin at the prior and
 * move as far as the examples warrant. Then Platt's two parameters, and from 1,000 on an isotonic regression.
 *
 * @param observations neighbours, such as those of one conversation, beside each other
 */
export function fitClassifier(observations: readonly Observation[], prior: LogisticPrior): Classifier {
  const scorer = (examples: readonly Observation[]) => {
    const weights = fitLogistic(examples, prior);
    return (features: readonly number[]) => dot(weights, features);
  };
  const score = scorer(observations);
  const method = methodFor(observations);
  if (method === "prior") return { method, score, probability: (features) => sigmoid(score(features)) };
  const scores = crossPredict(observations, scorer);
  const points = observations.map(({ outcome }, index) => ({ score: scores[index] ?? 0, outcome }));
  const calibrate = method === "platt" ? plattOf(points) : fitIsotonic(points);
  return { method, score, probability: (features) => calibrate(score(features)) };
}

/** The predictions of examples by classifiers that had not seen them: what a calibration error is taken from. */
export function crossValidate(observations: readonly Observation[], prior: LogisticPrior): Prediction[] {
  const probabilities = crossPredict(observations, (others) => fitClassifier(others, prior).probability);
  return observations.map(({ outcome }, index) => ({ probability: probabilities[index] ?? 0, outcome }));
}

/** Reliability by cross-validation; see {@linkcode crossValidate}. */
export function crossValidatedReliability(
  observations: readonly Observation[],
  prior: LogisticPrior,
): Reliability {
  return reliabilityOf(crossValidate(observations, prior));
}

/**
 * The share of positive outcomes among the more probable part of cross-validated predictions; null for none. It is taken
 * within each fold: a fold of many positives was left out of the fit, which takes it for less likely than the others.
 *
 * @param coverage the size of that part, in (0, 1]
 */
export function shareAtCoverage(predictions: readonly Prediction[], coverage: number): number | null {
  const best = Array.from({ length: FOLDS }, (_, fold) => {
    const ofFold = foldOf(predictions, fold).toSorted((a, b) => b.probability - a.probability);
    return ofFold.slice(0, Math.ceil(ofFold.length * coverage));
  }).flat();
  return best.length === 0 ? null : best.reduce((sum, { outcome }) => sum + outcome, 0) / best.length;
}
