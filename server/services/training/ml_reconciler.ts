/** Owns what goes on between server and ml without a request: when jobs are followed to their end, and the outbox emptied. */
import { backoffMs } from "../../../lib/backoff.ts";
import { logFieldsOfError } from "../../../lib/errors.ts";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { isDatabaseUnavailable } from "../../store/database_errors.ts";
import { OutboxDispatcher, type OutboxDispatcherOptions } from "./outbox_dispatcher.ts";
import type { TrainingJobSync } from "./training_job_sync.ts";

export interface MlReconcilerOptions extends OutboxDispatcherOptions {
  jobSync: Pick<TrainingJobSync, "refresh" | "record">;
  clock?: Clock;
}

/** Between two passes; longer and longer while ml or the database is away. */
const PASS = { baseMs: 5_000, capMs: 60_000 };

/** Passes over live jobs and the outbox until it is disposed. The truth is in the database, so a restart loses nothing. */
export class MlReconciler implements AsyncDisposable {
  readonly #options: MlReconcilerOptions;
  readonly #clock: Clock;
  readonly #messenger: OutboxDispatcher;
  #cancelTimer: () => void = () => {};
  #passing: Promise<void> | null = null;
  #failures = 0;
  #triggered = false;
  #state: "idle" | "started" | "stopped" = "idle";

  constructor(options: MlReconcilerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#messenger = new OutboxDispatcher(options);
  }

  /** Begins with a pass at once: jobs may have ended while no server ran. */
  start(): void {
    this.#state = "started";
    this.#plan(0);
  }

  /** There is something new for ml: the next pass comes at once. */
  trigger(): void {
    this.#triggered = true;
    if (this.#state === "started" && this.#passing === null) this.#plan(0);
  }

  /** One pass; resolves once it is over. Of passes asked for at once, there is one. */
  reconcile(): Promise<void> {
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
      this.reconcile().then(() => {
        if (this.#state === "started") this.#plan(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failures > 0) return backoffMs(this.#failures, PASS);
    return this.#triggered ? 0 : PASS.baseMs;
  }

  async #pass(): Promise<void> {
    this.#triggered = false;
    // Neither is held up by what is wrong with the other.
    const told = await this.#attempt(() => this.#messenger.dispatch(new Date(this.#clock.now())));
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
    const { trainingJobs, jobSync, log } = this.#options;
    for (const job of await trainingJobs.listLive()) {
      try {
        await jobSync.refresh(job);
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        log.error("a training job could not be followed", { jobId: job.id, ...logFieldsOfError(error) });
      }
    }
  }
}
