/** Builds a training job's status for the wire and keeps the log of statuses that readers follow. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type MlTrainingStatus, mlTrainingStatusSchema } from "../../contract/ml_training.ts";
import type { AnyJob, JobState } from "../../lib/jobs/job.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import { LineLog } from "../../lib/line_log.ts";
import type { Logger } from "../../lib/log.ts";
import { type JobFolders, STATUS_FILE } from "../training/job/job_folders.ts";
import { NO_PROGRESS, type TrainingTasks } from "./training_progress.ts";

const STATUS_OF_STATE: Record<JobState, MlTrainingStatus["status"]> = {
  queued: "queued",
  running: "training",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

/** Whether a status is terminal. */
export function hasEnded(status: MlTrainingStatus["status"]): boolean {
  return status !== "queued" && status !== "training";
}

/** The queue's id for a job: the job's own may be longer and contain dots. */
export function queueIdOf(jobId: string): string {
  return createHash("sha256").update(jobId).digest("hex");
}

function timeOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}

/** A job as the wire shows it. @param options `position`: 1 for the next to start, null unless it is queued */
export function statusOf(
  job: AnyJob<TrainingTasks>,
  options: { jobId: string; position: number | null },
): MlTrainingStatus {
  const { jobId, position } = options;
  const status = STATUS_OF_STATE[job.state];
  const failure = status === "failed" ? job.error : null;
  return {
    ...NO_PROGRESS,
    ...job.progress,
    job_id: jobId,
    status,
    ...(status === "completed" ? { progress: 100 } : {}),
    error: status === "failed" ? failure?.message ?? "It failed" : null,
    fix: failure?.fix ?? null,
    ...(hasEnded(status) ? { phase: null, eta_ms: null } : {}),
    result: job.result ?? null,
    position: position === null ? null : position - 1,
    created_at: new Date(job.enqueuedAt).toISOString(),
    started_at: timeOf(job.startedAt),
    finished_at: timeOf(job.finishedAt),
  };
}

/** The status logs of jobs; a log that may still grow is shared between its writer and its readers. */
export class StatusLogs {
  readonly #folders: JobFolders;
  readonly #log: Logger;
  readonly #live = new Map<string, LineLog<MlTrainingStatus>>();

  constructor(options: { folders: JobFolders; log: Logger }) {
    this.#folders = options.folders;
    this.#log = options.log;
  }

  /** Opens the log of a job that this process will finish: its readers wait for new statuses. */
  open(jobId: string): void {
    if (!this.#live.has(jobId)) this.#live.set(jobId, this.#logOf(jobId));
  }

  /** Appends a status to the log of an open job. A failed write does not stop the training. */
  async append(jobId: string, status: MlTrainingStatus): Promise<void> {
    await this.#live.get(jobId)?.append(status).catch((error) => {
      this.#log.warn("a training status was not written", logFieldsOfError(error));
    });
  }

  /** The log of any job, for reading. */
  any(jobId: string): LineLog<MlTrainingStatus> {
    const live = this.#live.get(jobId);
    if (live !== undefined) return live;
    const log = this.#logOf(jobId);
    log.close();
    return log;
  }

  /** Closes the log of a job that has ended: its readers stop after the last line. */
  close(jobId: string): void {
    this.#live.get(jobId)?.close();
    this.#live.delete(jobId);
  }

  #logOf(jobId: string): LineLog<MlTrainingStatus> {
    return new LineLog(join(this.#folders.pathOf(jobId), STATUS_FILE), mlTrainingStatusSchema);
  }
}
