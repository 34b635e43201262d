/** Owns how often a job's steps are told: often while it is young, and the more seldom the longer it takes. */

/** A small model takes hundreds of steps a second. */
const MIN_SPACING_MS = 200;
/** Whoever follows a job of days still sees it go on. */
const MAX_SPACING_MS = 10_000;
/** Statuses of a job for each time that its duration grows by e: nobody sees more of a course than that. */
const TOLD_BY_GROWTH = 1_000;

/** Says which steps are told, so that a day has thousands of them and not millions. */
export class StepPace {
  readonly #now: () => number;
  readonly #beganAt: number;
  #toldAt = -Infinity;

  /** @param now a clock in milliseconds that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#beganAt = now();
  }

  /** Whether the last one that was told is long enough ago. */
  get isDue(): boolean {
    const now = this.#now();
    const grown = (now - this.#beganAt) / TOLD_BY_GROWTH;
    return now - this.#toldAt >= Math.min(MAX_SPACING_MS, Math.max(MIN_SPACING_MS, grown));
  }

  /** Something was told. */
  told(): void {
    this.#toldAt = this.#now();
  }
}
