/** Owns what goes on between server and ml without a request: following jobs to their end, and emptying the outbox. */
import { backoffMs } from "../../lib/backoff.ts";
import { ApiError, logFieldsOfError } from "../../lib/errors.ts";
import { type Clock, systemClock } from "../../lib/job_clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { MlClient } from "../clients/ml.ts";
import type { MlOutboxStore } from "../store/ml_outbox_store.ts";
import type { MlMessage, MlMessageKind } from "../store/schema.ts";
import type { TrainingJobStore } from "../store/training_job_store.ts";
import { isUnknownToMl, type JobFollower } from "./training_follower.ts";

export interface MlSweeperOptions {
  trainingJobs: Pick<TrainingJobStore, "listLive">;
  mlOutbox: MlOutboxStore;
  follower: Pick<JobFollower, "refresh">;
  ml: Pick<MlClient, "taintAdapter" | "deleteAdapter" | "clearCache" | "cancelTraining">;
  log: Logger;
  clock?: Clock;
}

/** Between two passes; longer and longer while ml or the database is away. */
const PASS = { baseMs: 5_000, capMs: 60_000 };
const MESSAGES_AT_ONCE = 100;

/** What ml does not have needs no taint, no deletion and no end; what has ended needs no end either. */
function isMoot(error: ApiError, kind: MlMessageKind): boolean {
  return isUnknownToMl(error) || (kind === "cancel_training" && error.code === "conflict");
}

/** Passes over live jobs and the outbox until it is disposed. The truth is in the database, so a restart loses nothing. */
export class MlSweeper implements AsyncDisposable {
  readonly #options: MlSweeperOptions;
  readonly #clock: Clock;
  #cancelTimer: () => void = () => {};
  #passing: Promise<void> | null = null;
  #failures = 0;
  #nudged = false;
  #state: "idle" | "started" | "stopped" = "idle";

  constructor(options: MlSweeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
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
    const { trainingJobs, follower, log } = this.#options;
    this.#nudged = false;
    try {
      const refused = await this.#emptyOutbox();
      for (const job of await trainingJobs.listLive()) await follower.refresh(job);
      this.#failures = refused === 0 ? 0 : this.#failures + 1;
    } catch (error) {
      this.#failures++;
      log.debug("a pass over training jobs and the outbox has to wait", logFieldsOfError(error));
    }
  }

  /** Tells ml all it has yet to hear, in order. Throws while ml is away; returns how much of it ml refused. */
  async #emptyOutbox(): Promise<number> {
    let refused = 0;
    for (let after = 0;;) {
      const messages = await this.#options.mlOutbox.list({ after, limit: MESSAGES_AT_ONCE });
      for (const message of messages) if (!await this.#deliver(message)) refused++;
      const last = messages.at(-1);
      if (last === undefined) return refused;
      after = last.id;
    }
  }

  /** False when ml answers, but refuses: what is behind in the outbox is not held up by that. */
  async #deliver(message: MlMessage): Promise<boolean> {
    const { mlOutbox, log } = this.#options;
    const { id: messageId, kind } = message;
    try {
      await this.#tell(message);
    } catch (error) {
      if (!(error instanceof ApiError) || error.statusCode === 503) throw error;
      if (!isMoot(error, kind)) {
        log.warn("ml refused a message; it stays in the outbox", { messageId, kind, code: error.code });
        return false;
      }
    }
    await mlOutbox.remove(messageId);
    return true;
  }

  #tell({ kind, target }: MlMessage): Promise<unknown> {
    const { ml } = this.#options;
    switch (kind) {
      case "taint_adapter":
        return ml.taintAdapter(target);
      case "delete_adapter":
        return ml.deleteAdapter(target);
      case "clear_cache":
        return ml.clearCache(target);
      case "cancel_training":
        return ml.cancelTraining(target);
    }
  }
}
