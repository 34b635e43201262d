/** Sends the messages of the outbox to ml, each until ml accepts it or it is given up; none blocks another. */
import { backoffMs } from "../../../lib/backoff.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { isMlUnavailable, isRefusedByMl, type MlClient } from "../../clients/ml.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import type { MlMessage, MlMessageKind } from "../../store/schema.ts";
import type { TrainingJobStore } from "../../store/training/training_job_store.ts";
import { isUnknownToMl, type TrainingJobSync } from "./training_job_sync.ts";

export interface OutboxDispatcherOptions {
  mlOutbox: MlOutboxStore;
  trainingJobs: Pick<TrainingJobStore, "listLive">;
  jobSync: Pick<TrainingJobSync, "record">;
  ml: Pick<MlClient, "taintAdapter" | "deleteAdapter" | "clearCache" | "cancelTraining">;
  log: Logger;
}

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

/** Sends the messages of one server's outbox. */
export class OutboxDispatcher {
  readonly #options: OutboxDispatcherOptions;
  /** The message at which ml became unavailable: the ones after it go first next time, as it may be the cause. */
  #failedAt = 0;

  constructor(options: OutboxDispatcherOptions) {
    this.#options = options;
  }

  /** Sends everything that is due. @throws while ml or the database is unavailable */
  async dispatch(now: Date): Promise<void> {
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
      await this.#send(message);
    } catch (error) {
      if (isMlUnavailable(error)) {
        this.#failedAt = id;
        throw error;
      }
      if (!isAlreadyDone(error, kind)) return await this.#handleFailure(message, { error, now });
    }
    await this.#options.mlOutbox.remove(id);
  }

  async #handleFailure(message: MlMessage, { error, now }: { error: unknown; now: Date }): Promise<void> {
    const { mlOutbox, log } = this.#options;
    const { id: messageId, kind } = message;
    const tries = message.tries + 1;
    const fields = { messageId, kind, tries, code: error instanceof ApiError ? error.code : undefined };
    if (!isRefusedByMl(error) && tries < MAX_TRIES) {
      log.warn("ml failed to handle a message; it is sent again later", fields);
      return await mlOutbox.postpone(messageId, new Date(now.getTime() + backoffMs(tries, RETRY)));
    }
    const why = error instanceof ApiError ? error.message : "Something went wrong on the server";
    if (kind === "cancel_training") await this.#failJob(message.target, why);
    log.error("ml refuses a message; it is not sent again", fields);
    await mlOutbox.refuse(messageId, why);
  }

  /** Fails a job that ml does not cancel: its result will not be used. */
  async #failJob(jobId: string, why: string): Promise<void> {
    const { trainingJobs, jobSync } = this.#options;
    const row = (await trainingJobs.listLive()).find(({ id }) => id === jobId);
    if (row === undefined) return;
    const before = row.error === null ? "It was to end" : row.error;
    const error = `${before}; the ml service did not end it: ${why}`;
    await jobSync.record(row, { status: "failed", progress: row.progress, error });
  }

  #send({ kind, target }: MlMessage): Promise<unknown> {
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
