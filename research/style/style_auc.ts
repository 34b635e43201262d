/** Measures how well a small classifier tells drafts from a person's replies: 0.5 is chance, 1 is always. */
import { seededRandom } from "../../ml/engine/sampling.ts";
import { featuresOf } from "./reply_style.ts";

const FOLDS = 5;
/** Every shuffle into folds gives another figure; their mean is steadier. */
const SHUFFLES = 10;
const STEPS = 300;
const LEARNING_RATE = 0.3;
/** Pull of each weight towards 0: the classes have dozens of members, not thousands. */
const RIDGE = 0.01;

/** Whether something is a draft, and what it looks like. */
interface Example {
  features: readonly number[];
  isDraft: boolean;
}

/** Subtracts each feature's mean and divides by its deviation; one that never varies becomes 0. */
function scaling(examples: readonly Example[]): (features: readonly number[]) => number[] {
  const count = examples.length;
  const width = examples[0]?.features.length ?? 0;
  const columns = Array.from({ length: width }, (_, column) => {
    const values = examples.map(({ features }) => features[column] ?? 0);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    return { mean, deviation: Math.sqrt(variance) };
  });
  return (features) =>
    columns.map(({ mean, deviation }, column) =>
      deviation < 1e-9 ? 0 : ((features[column] ?? 0) - mean) / deviation
    );
}

function dot(weights: readonly number[], features: readonly number[]): number {
  return weights.reduce((sum, weight, index) => sum + weight * (features[index] ?? 0), 0);
}

/** Logistic regression by gradient descent. @returns a score that is higher for what looks like a draft */
function fit(examples: readonly Example[]): (features: readonly number[]) => number {
  const scale = scaling(examples);
  const rows = examples.map(({ features, isDraft }) => ({ x: [1, ...scale(features)], y: Number(isDraft) }));
  let weights: number[] = new Array(rows[0]?.x.length ?? 0).fill(0);
  for (let step = 0; step < STEPS; step++) {
    const errors = rows.map(({ x, y }) => 1 / (1 + Math.exp(-dot(weights, x))) - y);
    weights = weights.map((weight, column) => {
      const slope = errors.reduce((sum, error, row) => sum + error * (rows[row]?.x[column] ?? 0), 0);
      return weight - LEARNING_RATE * (slope / rows.length + (column === 0 ? 0 : RIDGE * weight));
    });
  }
  return (features) => dot(weights, [1, ...scale(features)]);
}

/** Share of pairs of a positive and a negative in which the positive has the higher score; ties count half. */
export function areaUnderCurve(positives: readonly number[], negatives: readonly number[]): number {
  let wins = 0;
  for (const positive of positives) {
    for (const negative of negatives) {
      wins += positive > negative ? 1 : positive === negative ? 0.5 : 0;
    }
  }
  return wins / (positives.length * negatives.length);
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items.map((item) => ({ item, key: random() })).sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** One cross-validation: each fold is scored by a classifier that has not seen it. */
function crossValidated(
  drafts: readonly Example[],
  replies: readonly Example[],
  random: () => number,
): number {
  const foldsOf = (examples: readonly Example[]) =>
    shuffled(examples, random).map((example, index) => ({ example, fold: index % FOLDS }));
  const placed = [...foldsOf(drafts), ...foldsOf(replies)];
  const areas = Array.from({ length: FOLDS }, (_, fold) => {
    const score = fit(placed.filter((entry) => entry.fold !== fold).map(({ example }) => example));
    const scoresOf = (isDraft: boolean) =>
      placed.filter((entry) => entry.fold === fold && entry.example.isDraft === isDraft)
        .map(({ example }) => score(example.features));
    return areaUnderCurve(scoresOf(true), scoresOf(false));
  });
  return areas.reduce((sum, area) => sum + area, 0) / FOLDS;
}

/**
 * Area under the ROC curve of a cross-validated classifier on features of style.
 *
 * @param drafts at least 5, as are `replies`
 */
export function styleAuc(drafts: readonly string[], replies: readonly string[]): number {
  if (Math.min(drafts.length, replies.length) < FOLDS) {
    throw new RangeError(
      `Cannot compare fewer than ${FOLDS} replies: ${drafts.length} and ${replies.length}`,
    );
  }
  const examplesOf = (texts: readonly string[], isDraft: boolean) =>
    texts.map((text): Example => ({ features: featuresOf(text), isDraft }));
  const random = seededRandom(1);
  const areas = Array.from(
    { length: SHUFFLES },
    () => crossValidated(examplesOf(drafts, true), examplesOf(replies, false), random),
  );
  return areas.reduce((sum, area) => sum + area, 0) / SHUFFLES;
}
