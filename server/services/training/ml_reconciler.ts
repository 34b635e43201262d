/** Owns what goes on between server and ml without a request: when jobs are followed to their end, and the outbox emptied. */
import { backoffMs } from "../../../lib/backoff.ts";
import { logFieldsOfError } from "../../../lib/errors.ts";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { isDatabaseUnavailable } from "../../store/database_errors.ts";
import { MlMessenger, type MlMessengerOptions } from "./outbox_dispatcher.ts";
import type { JobFollower } from "./training_job_sync.ts";

export interface MlSweeperOptions extends MlMessengerOptions {
  follower: Pick<JobFollower, "refresh" | "record">;
  clock?: Clock;
}

/** Between two passes; longer and longer while ml or the database is away. */
const PASS = { baseMs: 5_000, capMs: 60_000 };

/** Passes over live jobs and the outbox until it is disposed. The truth is in the database, so a restart loses nothing. */
export class MlSweeper implements AsyncDisposable {
  readonly #options: MlSweeperOptions;
  readonly #clock: Clock;
  readonly #messenger: MlMessenger;
  #cancelTimer: () => void = () => {};
  #passing: Promise<void> | null = null;
  #failures = 0;
  #nudged = false;
  #state: "idle" | "started" | "stopped" = "idle";

  constructor(options: MlSweeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#messenger = new MlMessenger(options);
  }

  /** Begins with a pass at once: jobs may have ended while no server ran. */
  start(): void {
    this.#state = "started";
    this.#plan(0);
  }

  /** There is something new for ml: the next pass comes at once. */
  nudge(): void {
    this.#nudged = true;
    if (this.#state === "started" && this.#passing === null) this.#plan(0);
  }

  /** One pass; resolves once it is over. Of passes asked for at once, there is one. */
  sweep(): Promise<void> {
    return this.#passing ??= this.#pass().finally(() => this.#passing = null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "stopped";
    this.#cancelTimer();
    await this.#passing;
  }

  #plan(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.sweep().then(() => {
        if (this.#state === "started") this.#plan(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failures > 0) return backoffMs(this.#failures, PASS);
    return this.#nudged ? 0 : PASS.baseMs;
  }

  async #pass(): Promise<void> {
    this.#nudged = false;
    // Neither is held up by what is wrong with the other.
    const told = await this.#attempt(() => this.#messenger.tellAll(new Date(this.#clock.now())));
    const followed = await this.#attempt(() => this.#followJobs());
    this.#failures = told && followed ? 0 : this.#failures + 1;
  }

  /** False when it has to wait for the next pass. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#options.log.debug(
        "a pass over training jobs and the outbox has to wait",
        logFieldsOfError(error),
      );
      return false;
    }
  }

  async #followJobs(): Promise<void> {
    const { trainingJobs, follower, log } = this.#options;
    for (const job of await trainingJobs.listLive()) {
      try {
        await follower.refresh(job);
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        log.error("a training job could not be followed", { jobId: job.id, ...logFieldsOfError(error) });
      }
    }
  }
}
