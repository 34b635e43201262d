/** Logistic regression by Newton's method, with a Gaussian prior on the weights. */

/** One observation: what is known of it, and the outcome in [0, 1]. */
export interface Observation {
  readonly features: readonly number[];
  readonly outcome: number;
}

export interface LogisticPrior {
  /** The weights before anything was observed, one for each feature. */
  readonly weights: readonly number[];
  /** The inverse variance of each around that, above 0: the larger, the more observations it takes to move it. */
  readonly precisions: readonly number[];
}

const MAX_STEPS = 50;
/** A step this short, in each weight, is the last. */
const TOLERANCE = 1e-9;
/** A step may be halved so often while it would make things worse. */
const MAX_HALVINGS = 30;

/** The probability of log-odds. */
export function sigmoid(logOdds: number): number {
  return logOdds >= 0 ? 1 / (1 + Math.exp(-logOdds)) : 1 - 1 / (1 + Math.exp(logOdds));
}

/** The sum of products: the log-odds of features, under weights. */
export function dot(weights: readonly number[], features: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < weights.length; index++) sum += (weights[index] ?? 0) * (features[index] ?? 0);
  return sum;
}

/** ln(1 + e^x) without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** What moving each weight from its prior costs. */
function penaltySlopes(weights: readonly number[], prior: LogisticPrior): number[] {
  return weights.map((weight, index) =>
    (prior.precisions[index] ?? 1) * (weight - (prior.weights[index] ?? 0))
  );
}

/** The negative log posterior, up to a constant. */
function costOf(
  weights: readonly number[],
  observations: readonly Observation[],
  prior: LogisticPrior,
): number {
  const loss = observations.reduce((sum, { features, outcome }) => {
    const logOdds = dot(weights, features);
    return sum + softplus(logOdds) - outcome * logOdds;
  }, 0);
  const slopes = penaltySlopes(weights, prior);
  const penalty = weights.reduce(
    (sum, weight, index) => sum + (slopes[index] ?? 0) * (weight - (prior.weights[index] ?? 0)),
    0,
  );
  return loss + penalty / 2;
}

/** The lower triangle whose product with its transpose is a symmetric positive definite matrix (Cholesky). */
function triangleOf(matrix: readonly number[][]): number[][] {
  const triangle: number[][] = [];
  for (const [row, values] of matrix.entries()) {
    const line: number[] = [];
    for (let column = 0; column <= row; column++) {
      const other = column === row ? line : triangle[column] ?? [];
      const rest = (values[column] ?? 0) - dot(line, other.slice(0, column));
      line.push(column === row ? Math.sqrt(rest) : rest / (other[column] ?? 1));
    }
    triangle.push(line);
  }
  return triangle;
}

/** Solves `matrix x = vector` for a symmetric positive definite matrix, of which the lower half is read. */
function solve(matrix: readonly number[][], vector: readonly number[]): number[] {
  const triangle = triangleOf(matrix);
  const forward: number[] = [];
  for (const [row, line] of triangle.entries()) {
    forward.push(((vector[row] ?? 0) - dot(forward, line)) / (line[row] ?? 1));
  }
  const solution: number[] = forward.map(() => 0);
  for (let row = forward.length - 1; row >= 0; row--) {
    const known = solution.reduce((sum, value, below) => sum + value * (triangle[below]?.[row] ?? 0), 0);
    solution[row] = ((forward[row] ?? 0) - known) / (triangle[row]?.[row] ?? 1);
  }
  return solution;
}

/** The Newton step: the slope divided by the curvature. */
function stepOf(
  weights: readonly number[],
  observations: readonly Observation[],
  prior: LogisticPrior,
): number[] {
  const slope = penaltySlopes(weights, prior);
  const curvature = weights.map((_, row) =>
    weights.map((_, column) => row === column ? prior.precisions[row] ?? 1 : 0)
  );
  // Plain loops: most of a fit's time is spent here.
  for (const { features, outcome } of observations) {
    const probability = sigmoid(dot(weights, features));
    const spread = probability * (1 - probability);
    for (let row = 0; row < weights.length; row++) {
      const feature = features[row] ?? 0;
      if (feature === 0) continue;
      slope[row] = (slope[row] ?? 0) + (probability - outcome) * feature;
      const values = curvature[row] ?? [];
      const weight = spread * feature;
      for (let column = 0; column <= row; column++) {
        values[column] = (values[column] ?? 0) + weight * (features[column] ?? 0);
      }
    }
  }
  return solve(curvature, slope);
}

/** The weights after a step, halved until it is no step back; undefined when none helps. */
function descend(
  weights: readonly number[],
  step: readonly number[],
  costAt: (weights: readonly number[]) => number,
): number[] | undefined {
  const cost = costAt(weights);
  for (let halving = 0, scale = 1; halving <= MAX_HALVINGS; halving++, scale /= 2) {
    const next = weights.map((weight, index) => weight - scale * (step[index] ?? 0));
    if (costAt(next) <= cost) return next;
  }
  return undefined;
}

/** The weights that are most probable after the observations. There is one answer, whatever was observed. */
export function fitLogistic(observations: readonly Observation[], prior: LogisticPrior): number[] {
  let weights = [...prior.weights];
  for (let count = 0; count < MAX_STEPS; count++) {
    const step = stepOf(weights, observations, prior);
    const next = descend(weights, step, (at) => costOf(at, observations, prior));
    if (next === undefined) break;
    weights = next;
    if (step.every((change) => Math.abs(change) < TOLERANCE)) break;
  }
  return weights;
}
