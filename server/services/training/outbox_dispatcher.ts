/** Owns telling ml what it has yet to hear: each message until ml takes it or it is given up; none holds up another. */
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

const MESSAGES_AT_ONCE = 100;
/** Until a message at which ml fails is told again. */
const RETRY = { baseMs: 10_000, capMs: 3_600_000 };
/** About a day of them. */
const MOST_TRIES = 30;

/** What ml does not have needs no taint, no deletion and no end; what has ended needs no end either. */
function isAlreadyDone(error: unknown, kind: MlMessageKind): boolean {
  return isUnknownToMl(error) ||
    (kind === "cancel_training" && error instanceof ApiError && error.code === "conflict");
}

/** Tells the messages of one server's outbox. */
export class OutboxDispatcher {
  readonly #options: OutboxDispatcherOptions;
  /** The message at which ml was away the last time: others come first, for it may be the cause. */
  #brokeAt = 0;

  constructor(options: OutboxDispatcherOptions) {
    this.#options = options;
  }

  /** Tells ml all that is due. @throws while ml or the database is away */
  async dispatch(now: Date): Promise<void> {
    if (this.#brokeAt > 0) await this.#tellFrom(this.#brokeAt, now);
    this.#brokeAt = 0;
    await this.#tellFrom(0, now);
  }

  async #tellFrom(start: number, now: Date): Promise<void> {
    for (let after = start;;) {
      const due = await this.#options.mlOutbox.list({ after, limit: MESSAGES_AT_ONCE, dueBy: now });
      for (const message of due) await this.#deliver(message, now);
      const last = due.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  async #deliver(message: MlMessage, now: Date): Promise<void> {
    const { id, kind } = message;
    try {
      await this.#tell(message);
    } catch (error) {
      if (isMlUnavailable(error)) {
        this.#brokeAt = id;
        throw error;
      }
      if (!isAlreadyDone(error, kind)) return await this.#notTaken(message, { error, now });
    }
    await this.#options.mlOutbox.remove(id);
  }

  async #notTaken(message: MlMessage, { error, now }: { error: unknown; now: Date }): Promise<void> {
    const { mlOutbox, log } = this.#options;
    const { id: messageId, kind } = message;
    const tries = message.tries + 1;
    const fields = { messageId, kind, tries, code: error instanceof ApiError ? error.code : undefined };
    if (!isRefusedByMl(error) && tries < MOST_TRIES) {
      log.warn("ml failed at a message; it is told again later", fields);
      return await mlOutbox.postpone(messageId, new Date(now.getTime() + backoffMs(tries, RETRY)));
    }
    const why = error instanceof ApiError ? error.message : "Something went wrong on the server";
    if (kind === "cancel_training") await this.#failJob(message.target, why);
    log.error("ml does not take a message; it is told no more", fields);
    await mlOutbox.refuse(messageId, why);
  }

  /** A job that should end and does not: whatever ml makes of it will not be used. */
  async #failJob(jobId: string, why: string): Promise<void> {
    const { trainingJobs, jobSync } = this.#options;
    const row = (await trainingJobs.listLive()).find(({ id }) => id === jobId);
    if (row === undefined) return;
    const before = row.error === null ? "It was to end" : row.error;
    const error = `${before}; the ml service did not end it: ${why}`;
    await jobSync.record(row, { status: "failed", progress: row.progress, error });
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
