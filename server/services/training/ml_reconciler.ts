/** Brings server and ml back in step periodically: dispatches the outbox and refreshes live jobs. */
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

/** Between two passes; longer and longer while ml or the database is unavailable. */
const PASS = { baseMs: 5_000, capMs: 60_000 };

/** Reconciles until it is disposed. Everything it needs is in the database, so a restart loses nothing. */
export class MlReconciler implements AsyncDisposable {
  readonly #options: MlReconcilerOptions;
  readonly #clock: Clock;
  readonly #dispatcher: OutboxDispatcher;
  #cancelTimer: () => void = () => {};
  #running: Promise<void> | null = null;
  #failures = 0;
  #triggered = false;
  #state: "idle" | "started" | "stopped" = "idle";

  constructor(options: MlReconcilerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#dispatcher = new OutboxDispatcher(options);
  }

  /** Starts with a pass at once, because jobs may have ended while no server ran. */
  start(): void {
    this.#state = "started";
    this.#schedule(0);
  }

  /** Call it when there is something new for ml: the next pass starts at once. */
  trigger(): void {
    this.#triggered = true;
    if (this.#state === "started" && this.#running === null) this.#schedule(0);
  }

  /** Runs one pass and resolves when it is over; a call during a pass joins it. */
  reconcile(): Promise<void> {
    return this.#running ??= this.#pass().finally(() => this.#running = null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = "stopped";
    this.#cancelTimer();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.reconcile().then(() => {
        if (this.#state === "started") this.#schedule(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failures > 0) return backoffMs(this.#failures, PASS);
    return this.#triggered ? 0 : PASS.baseMs;
  }

  async #pass(): Promise<void> {
    this.#triggered = false;
    // A failure of one must not block the other.
    const dispatched = await this.#attempt(() => this.#dispatcher.dispatch(new Date(this.#clock.now())));
    const refreshed = await this.#attempt(() => this.#refreshJobs());
    this.#failures = dispatched && refreshed ? 0 : this.#failures + 1;
  }

  /** False when the work has to wait for the next pass. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#options.log.debug(
        "reconciling training jobs or the outbox has to wait",
        logFieldsOfError(error),
      );
      return false;
    }
  }

  async #refreshJobs(): Promise<void> {
    const { trainingJobs, jobSync, log } = this.#options;
    for (const job of await trainingJobs.listLive()) {
      try {
        await jobSync.refresh(job);
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        log.error("a training job could not be refreshed", { jobId: job.id, ...logFieldsOfError(error) });
      }
    }
  }
}
