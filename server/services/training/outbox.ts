/** Brings server and ml back in step periodically: sends the outbox's messages to ml and refreshes live jobs. */
import { backoffMs } from "../../../lib/backoff.ts";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { isMlUnavailable, isRefusedByMl, type MlClient } from "../../clients/ml.ts";
import { isDatabaseUnavailable } from "../../store/database_errors.ts";
import type { MlMessage, MlMessageKind } from "../../store/schema.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import type { TrainingJobStore } from "../../store/training/training_job_store.ts";
import { isUnknownToMl, type TrainingJobSync } from "./job_sync.ts";

export interface MlReconcilerOptions {
  mlOutbox: MlOutboxStore;
  trainingJobs: Pick<TrainingJobStore, "listLive">;
  jobSync: Pick<TrainingJobSync, "refresh" | "record">;
  ml: Pick<MlClient, "taintAdapter" | "deleteAdapter" | "clearCache" | "cancelTraining">;
  log: Logger;
  clock?: Clock;
  /** Whether this server does it, of those that share the database; by default it is alone. */
  isLeader?: () => Promise<boolean>;
}

/** Between two passes; longer and longer while ml or the database is unavailable. */
const PASS = { baseMs: 5_000, capMs: 60_000 };

const BATCH_SIZE = 100;
/** Until a message that failed is sent again. */
const RETRY = { baseMs: 10_000, capMs: 3_600_000 };
/** They take about a day. */
const MAX_TRIES = 30;

/** What ml does not have needs no taint, deletion or cancellation; what has ended needs no cancellation either. */
function isAlreadyDone(error: unknown, kind: MlMessageKind): boolean {
  return isUnknownToMl(error) ||
    (kind === "cancel_training" && error instanceof ApiError && error.code === "conflict");
}

async function handleFailure(
  options: MlReconcilerOptions,
  message: MlMessage,
  { error, now }: { error: unknown; now: Date },
): Promise<void> {
  const { mlOutbox, log } = options;
  const { id: messageId, kind } = message;
  const tries = message.tries + 1;
  const fields = { messageId, kind, tries, code: error instanceof ApiError ? error.code : undefined };
  if (!isRefusedByMl(error) && tries < MAX_TRIES) {
    log.warn("ml failed to handle a message; it is sent again later", fields);
    return await mlOutbox.postpone(messageId, new Date(now.getTime() + backoffMs(tries, RETRY)));
  }
  const why = error instanceof ApiError ? error.message : "Something went wrong on the server";
  if (kind === "cancel_training") await failJob(options, message.target, why);
  log.error("ml refuses a message; it is not sent again", fields);
  await mlOutbox.refuse(messageId, why);
}

/** Fails a job that ml does not cancel: its result will not be used. */
async function failJob(
  { trainingJobs, jobSync }: MlReconcilerOptions,
  jobId: string,
  why: string,
): Promise<void> {
  const row = (await trainingJobs.listLive()).find(({ id }) => id === jobId);
  if (row === undefined) return;
  const before = row.error === null ? "It was to end" : row.error;
  const error = `${before}; the ml service did not end it: ${why}`;
  await jobSync.record(row, { job_id: jobId, status: "failed", progress: row.progress, error });
}

function send({ ml }: MlReconcilerOptions, { kind, target }: MlMessage): Promise<unknown> {
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

/** Reconciles until it is disposed. Everything it needs is in the database, so a restart loses nothing. */
export class MlReconciler implements AsyncDisposable {
  readonly #options: MlReconcilerOptions;
  readonly #clock: Clock;
  #cancelTimer: () => void = () => {};
  #running: Promise<void> | null = null;
  #failures = 0;
  /** The message at which ml became unavailable: the ones after it go first next time, as it may be the cause. */
  #failedAt = 0;
  #triggered = false;
  #state: "idle" | "started" | "stopped" = "idle";

  constructor(options: MlReconcilerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
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
    const { isLeader } = this.#options;
    if (isLeader !== undefined && !await isLeader().catch(() => false)) return;
    // A failure of one must not block the other.
    const dispatched = await this.#attempt(() => this.#dispatch(new Date(this.#clock.now())));
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

  /** Sends everything that is due. @throws while ml or the database is unavailable */
  async #dispatch(now: Date): Promise<void> {
    if (this.#failedAt > 0) await this.#dispatchFrom(this.#failedAt, now);
    this.#failedAt = 0;
    await this.#dispatchFrom(0, now);
  }

  async #dispatchFrom(start: number, now: Date): Promise<void> {
    for (let after = start;;) {
      const due = await this.#options.mlOutbox.list({ after, limit: BATCH_SIZE, dueBy: now });
      for (const message of due) await this.#deliver(message, now);
      const last = due.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  async #deliver(message: MlMessage, now: Date): Promise<void> {
    const { id, kind } = message;
    try {
      await send(this.#options, message);
    } catch (error) {
      if (isMlUnavailable(error)) {
        this.#failedAt = id;
        throw error;
      }
      if (!isAlreadyDone(error, kind)) return await handleFailure(this.#options, message, { error, now });
    }
    await this.#options.mlOutbox.remove(id);
  }
}
