/** Owns training jobs: starting them on ml, following them there, cancelling them. */
import type { PageQuery } from "../../contract/paging.ts";
import type {
  StartTrainingRequest,
  TrainingJob,
  TrainingJobList,
  TrainingSampleList,
} from "../../contract/training.ts";
import { ApiError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Caller } from "../auth/caller.ts";
import type { MlClient } from "../clients/ml.ts";
import type { SampleStore } from "../store/sample_store.ts";
import type { TrainingJob as JobRow } from "../store/schema.ts";
import type { TrainingJobStore } from "../store/training_job_store.ts";
import { pageFieldsOf, pageRequestOf } from "./paging.ts";
import { createJobFollower, isLive, isUnknownToMl, type JobFollower } from "./training_follower.ts";
import { chooseSamples, listSamples, mlSamplesOf } from "./training_samples.ts";

export interface TrainingServiceOptions {
  samples: SampleStore;
  jobs: TrainingJobStore;
  ml: Pick<MlClient, "startTraining" | "trainingStatus" | "cancelTraining">;
  log: Logger;
}

export interface TrainingService {
  samples(caller: Caller, query: PageQuery): Promise<TrainingSampleList>;
  /** @throws ApiError `validation_failed`, `conflict` while the device has a live job, or what ml fails with */
  start(caller: Caller, request: StartTrainingRequest): Promise<TrainingJob>;
  list(caller: Caller, query: PageQuery): Promise<TrainingJobList>;
  /** @throws ApiError `not_found` */
  get(caller: Caller, jobId: string): Promise<TrainingJob>;
  /** @throws ApiError `not_found`, `conflict` when the job has ended, or `ml_unavailable` */
  cancel(caller: Caller, jobId: string): Promise<TrainingJob>;
}

function jobOf(row: JobRow): TrainingJob {
  return {
    id: row.id,
    status: row.status,
    progress: row.progress,
    error: row.error,
    baseModel: row.baseModel,
    epochs: row.epochs,
    learningRate: row.learningRate,
    sampleCount: row.sampleCount,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

function starting(options: TrainingServiceOptions, follower: JobFollower): TrainingService["start"] {
  const { samples, jobs } = options;
  return async ({ accountId, deviceId }, { baseModel, epochs, learningRate, sampleIds }) => {
    const chosen = await chooseSamples(samples, { accountId, sampleIds });
    const before = await jobs.liveJob(accountId, deviceId);
    // ml may have ended it since it was last looked at, and then nothing is in the way.
    if (before !== undefined) await follower.refresh(before);
    const { outcome, job } = await jobs.create({
      accountId,
      deviceId,
      baseModel,
      epochs,
      learningRate,
      sampleIds: chosen.map(({ id }) => id),
    });
    if (outcome === "busy") {
      throw new ApiError("conflict", `This device trains already: wait for job ${job.id}, or cancel it`);
    }
    return jobOf(await follower.start(job, mlSamplesOf(chosen)));
  };
}

function cancelling(options: TrainingServiceOptions, follower: JobFollower): TrainingService["cancel"] {
  return async ({ accountId }, jobId) => {
    const row = await options.jobs.find(accountId, jobId);
    if (row === undefined) throw noJob();
    if (row.status === "cancelled") return jobOf(row);
    if (!isLive(row)) {
      throw new ApiError("conflict", `The training job has ended already: it is ${row.status}`);
    }
    const gone = { job_id: row.id, status: "cancelled", progress: row.progress, error: null } as const;
    const status = await options.ml.cancelTraining(row.id).catch((error) => {
      if (isUnknownToMl(error)) return gone;
      throw error;
    });
    return jobOf(await follower.record(row, status));
  };
}

function noJob(): ApiError {
  return new ApiError("not_found", "There is no training job with this id");
}

/** Makes the training service. */
export function createTrainingService(options: TrainingServiceOptions): TrainingService {
  const { jobs } = options;
  const follower = createJobFollower(options);
  return {
    samples: ({ accountId }, query) => listSamples(options.samples, { accountId, query }),
    start: starting(options, follower),
    async list({ accountId }, query) {
      const page = await jobs.list(accountId, pageRequestOf(query));
      const rows = await Promise.all(page.rows.map((row) => follower.refresh(row)));
      return { jobs: rows.map(jobOf), ...pageFieldsOf(page, query) };
    },
    async get({ accountId }, jobId) {
      const row = await jobs.find(accountId, jobId);
      if (row === undefined) throw noJob();
      return jobOf(await follower.refresh(row));
    },
    cancel: cancelling(options, follower),
  };
}
