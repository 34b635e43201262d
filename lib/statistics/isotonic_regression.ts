/** Isotonic regression: the outcome as a step function of a score that never falls, by pooling neighbours that do. */

export interface ScoredOutcome {
  readonly score: number;
  /** In [0, 1]. */
  readonly outcome: number;
}

interface Pool {
  /** The lowest and the highest score in it. */
  low: number;
  high: number;
  sum: number;
  count: number;
}

function mean({ sum, count }: Pool): number {
  return sum / count;
}

/** Equal scores have one value. */
function pointsByScore(points: readonly ScoredOutcome[]): Pool[] {
  const pools: Pool[] = [];
  for (const { score, outcome } of points.toSorted((a, b) => a.score - b.score)) {
    const last = pools.at(-1);
    const pool = { low: score, high: score, sum: outcome, count: 1 };
    if (last?.high === score) pools[pools.length - 1] = merged(last, pool);
    else pools.push(pool);
  }
  return pools;
}

/** Neighbours whose means would fall become one, until none do. */
function poolsOf(points: readonly ScoredOutcome[]): Pool[] {
  const pools: Pool[] = [];
  for (let pool of pointsByScore(points)) {
    for (let before = pools.at(-1); before && mean(before) >= mean(pool); before = pools.at(-1)) {
      pool = merged(before, pool);
      pools.pop();
    }
    pools.push(pool);
  }
  return pools;
}

function merged(before: Pool, after: Pool): Pool {
  return {
    low: before.low,
    high: after.high,
    sum: before.sum + after.sum,
    count: before.count + after.count,
  };
}

/**
 * The value of a score by isotonic regression: constant within a pool and beyond the ends, linear between two pools.
 *
 * @param points at least one
 */
export function fitIsotonic(points: readonly ScoredOutcome[]): (score: number) => number {
  const pools = poolsOf(points);
  return (score) => {
    const after = pools.find(({ high }) => score <= high);
    if (after === undefined) return mean(pools.at(-1) as Pool);
    const before = pools[pools.indexOf(after) - 1];
    if (before === undefined || score >= after.low) return mean(after);
    const share = (score - before.high) / (after.low - before.high);
    return mean(before) + share * (mean(after) - mean(before));
  };
}
