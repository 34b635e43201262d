/** Measures a job's speed and remaining time, and says when a checkpoint is due. */

const MINUTE_MS = 60_000;
/** The most work that a killed job loses, however slow its steps are. */
const SAVE_EVERY_MS = 2 * MINUTE_MS;
/** Weight of the newest step in the moving average. */
const NEWEST_SHARE = 0.2;

/** Measures steps with a monotonic clock. */
export class StepClock {
  readonly #now: () => number;
  #savedAt: number;
  #lastMs = 0;
  #meanMs: number | null = null;
  tokensPerSecond = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#savedAt = now();
  }

  /** Runs and times a step. */
  async time<Result>(step: () => Promise<Result>): Promise<Result> {
    const startedAt = this.#now();
    const result = await step();
    this.#lastMs = this.#now() - startedAt;
    return result;
  }

  /** Adds the timed step to the averages. */
  stepped(tokens: number): void {
    this.tokensPerSecond = Math.round(tokens * 10_000 / Math.max(this.#lastMs, 1)) / 10;
    this.#meanMs = this.#meanMs === null
      ? this.#lastMs
      : this.#meanMs + (this.#lastMs - this.#meanMs) * NEWEST_SHARE;
  }

  etaMs(stepsLeft: number): number | null {
    return this.#meanMs === null ? null : Math.round(this.#meanMs * stepsLeft);
  }

  saved(): void {
    this.#savedAt = this.#now();
  }

  get isSaveDue(): boolean {
    return this.#now() - this.#savedAt > SAVE_EVERY_MS;
  }
}
