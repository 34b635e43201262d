/** Owns a job's times: how fast steps are, how long the rest will take, when a checkpoint is due. */

const MINUTE_MS = 60_000;
/** A killed job loses at most so much work, however slow its steps are. */
const SAVE_EVERY_MS = 2 * MINUTE_MS;
/** How much of the mean the newest step is. */
const NEWEST_SHARE = 0.2;

/** Measures steps with a monotonous clock. */
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

  /** Runs a step and takes its time. */
  async time<Result>(step: () => Promise<Result>): Promise<Result> {
    const startedAt = this.#now();
    const result = await step();
    this.#lastMs = this.#now() - startedAt;
    return result;
  }

  /** Takes the timed step into the means. */
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
