/** Owns a training job's status on the wire, and the log of statuses that readers follow. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { MlTrainingStatus } from "../../contract/ml_training.ts";
import type { AnyJob, JobState } from "../../lib/jobs/job_queue.ts";
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

/** Whether a job with this status stays as it is for ever. */
export function hasEnded(status: MlTrainingStatus["status"]): boolean {
  return status !== "queued" && status !== "training";
}

/** The queue's name for a job: its own may be longer and hold dots. */
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
  const told = job.progress ?? NO_PROGRESS;
  return {
    ...told,
    job_id: jobId,
    status,
    progress: status === "completed" ? 100 : told.progress,
    error: status === "failed" ? job.error?.message ?? "It failed" : null,
    ...(hasEnded(status) ? { phase: null, eta_ms: null } : {}),
    result: job.result ?? null,
    position: position === null ? null : position - 1,
    created_at: new Date(job.enqueuedAt).toISOString(),
    started_at: timeOf(job.startedAt),
    finished_at: timeOf(job.finishedAt),
  };
}

/** The logs of jobs; those that may still grow are shared between their writer and their readers. */
export class StatusLogs {
  readonly #folders: JobFolders;
  readonly #log: Logger;
  readonly #live = new Map<string, LineLog<MlTrainingStatus>>();

  constructor(options: { folders: JobFolders; log: Logger }) {
    this.#folders = options.folders;
    this.#log = options.log;
  }

  /** Says that a job is to come to its end in this process: its readers wait for what is told. */
  open(jobId: string): void {
    if (!this.#live.has(jobId)) this.#live.set(jobId, this.#logOf(jobId));
  }

  /** Writes a status into the log of an open job. A disk that refuses it stops no training. */
  async tell(jobId: string, status: MlTrainingStatus): Promise<void> {
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

  /** Says that a job has ended: its readers end at the last line. */
  close(jobId: string): void {
    this.#live.get(jobId)?.close();
    this.#live.delete(jobId);
  }

  #logOf(jobId: string): LineLog<MlTrainingStatus> {
    return new LineLog(join(this.#folders.pathOf(jobId), STATUS_FILE));
  }
}
