/** Owns keeping the rows of training jobs in step with ml, where the jobs run. */
import type { MlStartTrainingRequest, MlTrainingStatus } from "../../contract/ml_training.ts";
import { ApiError, logFieldsOfError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { MlClient } from "../clients/ml.ts";
import type { TrainingJob as JobRow } from "../store/schema.ts";
import type { TrainingJobStore } from "../store/training_job_store.ts";

export interface JobFollowerOptions {
  jobs: TrainingJobStore;
  ml: Pick<MlClient, "startTraining" | "trainingStatus">;
  log: Logger;
}

export interface JobFollower {
  /** Starts a job on ml. When that fails the job has failed with ml's reason, and the error is thrown. */
  start(row: JobRow, samples: MlStartTrainingRequest["samples"]): Promise<JobRow>;
  /** The job as ml has it now; as it was last known while ml cannot be asked. */
  refresh(row: JobRow): Promise<JobRow>;
  /** Notes what ml says of a job; a job that has ended stays as it is. */
  record(row: JobRow, status: Omit<MlTrainingStatus, "job_id">): Promise<JobRow>;
}

/** True while a job may still change. */
export function isLive({ status }: JobRow): boolean {
  return status === "queued" || status === "training";
}

/** True when ml answered that it has no such job. */
export function isUnknownToMl(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}

function recording(jobs: TrainingJobStore): JobFollower["record"] {
  return async (row, { status, progress, error }) => {
    const updated = await jobs.update(row.accountId, { jobId: row.id, status, progress, error });
    return updated ?? await jobs.find(row.accountId, row.id) ?? row;
  };
}

/** Makes the follower of one server's jobs. */
export function createJobFollower({ jobs, ml, log }: JobFollowerOptions): JobFollower {
  /** Jobs whose row exists while ml has not answered yet; ml may rightly not know them. */
  const starting = new Set<string>();
  const record = recording(jobs);
  const fail = (row: JobRow, error: string) =>
    record(row, { status: "failed", progress: row.progress, error });

  return {
    record,
    async start(row, samples) {
      const { id, baseModel, epochs, learningRate } = row;
      starting.add(id);
      try {
        const request = { job_id: id, base_model: baseModel, samples, epochs, learning_rate: learningRate };
        return await record(row, await ml.startTraining(request));
      } catch (error) {
        await fail(row, error instanceof ApiError ? error.message : "Something went wrong on the server");
        throw error;
      } finally {
        starting.delete(id);
      }
    },
    async refresh(row) {
      if (!isLive(row) || starting.has(row.id)) return row;
      try {
        return await record(row, await ml.trainingStatus(row.id));
      } catch (error) {
        if (isUnknownToMl(error)) return await fail(row, "The ml service does not know this job any more");
        if (!(error instanceof ApiError)) throw error;
        log.debug("a training job could not be followed", { jobId: row.id, ...logFieldsOfError(error) });
        return row;
      }
    },
  };
}
