/** Manages training: imports, lists and deletes samples; starts, follows and cancels jobs. */
import type { Deletion } from "../../../contract/conversations.ts";
import type { PageQuery } from "../../../contract/paging.ts";
import type {
  ImportSamplesRequest,
  ImportSamplesResponse,
  SamplesQuery,
  StartTrainingRequest,
  TrainingJob,
  TrainingJobList,
  TrainingSampleList,
} from "../../../contract/training.ts";
import { nothingOf, trainingMetricsSchema } from "../../../contract/training_figures.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Caller } from "../../auth/authenticate.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { DeletedThing } from "../../store/messages/deletion.ts";
import type { SampleStore } from "../../store/training/sample_store.ts";
import type { TrainingJob as JobRow } from "../../store/schema.ts";
import type { TrainingJobStore } from "../../store/training/training_job_store.ts";
import { pageFieldsOf, pageRequestOf } from "../paging.ts";
import { type SignedInOptions, whileSignedIn } from "../../store/jobs/announcements.ts";
import type { PromptStores } from "../drafts/prompt_builder.ts";
import { importSamples } from "./sample_import.ts";
import { isLive, isUnknownToMl, type JobEvent, type JobWatch, type TrainingJobSync } from "./job_sync.ts";
import { collectSentSamples, type SentSamplesOptions } from "./sent_samples.ts";
import { chooseSamples, exportLines, listSamples, mlSamplesOf } from "./training_samples.ts";

export interface TrainingServiceOptions extends PromptStores, SentSamplesOptions, SignedInOptions {
  samples: SampleStore;
  trainingJobs: TrainingJobStore;
  jobSync: TrainingJobSync;
  ml: Pick<MlClient, "cancelTraining" | "health">;
  /** Called when the outbox may have messages for ml: about tainted adapters. */
  onOutbox: () => void;
}

export interface TrainingService {
  samples(caller: Caller, query: SamplesQuery): Promise<TrainingSampleList>;
  /** Makes samples of replies that the person sent. @throws ApiError `validation_failed` for unknown conversations */
  importSamples(caller: Caller, request: ImportSamplesRequest): Promise<ImportSamplesResponse>;
  /** Makes samples of what was sent in place of unused drafts, where the owner wants that; a start does so by itself. */
  collectSent(accountId: string): Promise<number>;
  /** All samples as lines of JSON, newest first, read as they are asked for. */
  exportSamples(caller: Caller): AsyncGenerator<string>;
  /** @throws ApiError `not_found` */
  deleteSample(caller: Caller, sample: DeletedThing): Promise<Deletion>;
  /** @throws ApiError `validation_failed`, `conflict` while the device has a live job, or what ml fails with */
  start(
    caller: Pick<Caller, "accountId" | "deviceId">,
    request: StartTrainingRequest,
  ): Promise<TrainingJob>;
  list(caller: Caller, query: PageQuery): Promise<TrainingJobList>;
  /** @throws ApiError `not_found` */
  get(caller: Caller, jobId: string): Promise<TrainingJob>;
  /** The job now, then its events until it has ended or the signal aborts. @throws ApiError `not_found` */
  watch(
    caller: Caller,
    request: JobWatch & { jobId: string },
  ): Promise<AsyncGenerator<JobEvent<TrainingJob>>>;
  /** @throws ApiError `not_found`, `conflict` when the job has ended, or `ml_unavailable` */
  cancel(caller: Caller, jobId: string): Promise<TrainingJob>;
}

function jobOf(row: JobRow): TrainingJob {
  return {
    id: row.id,
    status: row.status,
    progress: row.progress,
    error: row.error,
    fix: row.fix,
    baseModel: row.baseModel,
    epochs: row.epochs,
    learningRate: row.learningRate,
    method: row.method,
    sampleCount: row.sampleCount,
    // A row of an earlier version lacks the figures that came later.
    metrics: row.metrics && { ...nothingOf(trainingMetricsSchema), ...row.metrics },
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

/** @throws ApiError `model_not_loaded` while ml serves none, or `ml_unavailable` */
async function servedModel(ml: TrainingServiceOptions["ml"]): Promise<string> {
  const { model_version: served } = await ml.health();
  if (served === null) {
    throw new ApiError("model_not_loaded", "The ml service has no model yet; try again later");
  }
  return served;
}

function starting(options: TrainingServiceOptions): TrainingService["start"] {
  const { samples, trainingJobs: jobs, jobSync, ml } = options;
  return async ({ accountId, deviceId }, request) => {
    const { baseModel: named, epochs, learningRate, sampleIds, method, ...settings } = request;
    const baseModel = named ?? await servedModel(ml);
    if (sampleIds === undefined) await collectSentSamples(options, accountId);
    const chosen = await chooseSamples(samples, { accountId, sampleIds, method });
    const before = await jobs.liveJob(accountId, deviceId);
    // It may have ended on ml since the last refresh, and then nothing is in the way.
    if (before !== undefined) await jobSync.refresh(before);
    const { outcome, job } = await jobs.create({
      accountId,
      deviceId,
      baseModel,
      epochs,
      learningRate,
      method,
      settings,
      sampleIds: chosen.map(({ id }) => id),
    });
    if (outcome === "busy") {
      throw new ApiError("conflict", `This device trains already: wait for job ${job.id}, or cancel it`);
    }
    return jobOf(await jobSync.start(job, mlSamplesOf(chosen, method)));
  };
}

async function findJob(
  { trainingJobs }: TrainingServiceOptions,
  { accountId, jobId }: { accountId: string; jobId: string },
): Promise<JobRow> {
  const row = await trainingJobs.find(accountId, jobId);
  if (row === undefined) throw new ApiError("not_found", "There is no training job with this id");
  return row;
}

function cancelling(options: TrainingServiceOptions): TrainingService["cancel"] {
  return async ({ accountId }, jobId) => {
    const row = await findJob(options, { accountId, jobId });
    if (row.status === "cancelled") return jobOf(row);
    if (!isLive(row)) {
      throw new ApiError("conflict", `The training job has ended already: it is ${row.status}`);
    }
    const { ml, jobSync } = options;
    try {
      return jobOf(await jobSync.record(row, await ml.cancelTraining(row.id)));
    } catch (error) {
      const gone = { job_id: row.id, status: "cancelled", progress: row.progress, error: null } as const;
      if (isUnknownToMl(error)) return jobOf(await jobSync.record(row, gone));
      // Another request may have cancelled it at the same time; what ended it otherwise is in its row then.
      const now = await jobSync.refresh(row);
      if (now.status === "cancelled") return jobOf(now);
      throw error;
    }
  };
}

function deleting({ samples, onOutbox }: TrainingServiceOptions): TrainingService["deleteSample"] {
  return async ({ accountId }, sample) => {
    const deletion = await samples.delete(accountId, sample);
    if (deletion === undefined) throw new ApiError("not_found", "There is no training sample with this id");
    onOutbox();
    return deletion;
  };
}

async function* eventsOf(events: AsyncGenerator<JobEvent<JobRow>>): AsyncGenerator<JobEvent<TrainingJob>> {
  for await (const { id, job } of events) yield { id, job: jobOf(job) };
}

/** Makes the training service. */
export function createTrainingService(options: TrainingServiceOptions): TrainingService {
  const { trainingJobs, jobSync } = options;
  return {
    samples: ({ accountId }, query) => listSamples(options.samples, { accountId, query }),
    importSamples: ({ accountId }, request) => importSamples(options, { accountId, request }),
    collectSent: (accountId) => collectSentSamples(options, accountId),
    exportSamples: ({ accountId }) => exportLines(options.samples, accountId),
    deleteSample: deleting(options),
    start: starting(options),
    async list({ accountId }, query) {
      const page = await trainingJobs.list(accountId, pageRequestOf(query));
      const rows = await Promise.all(page.rows.map((row) => jobSync.refresh(row)));
      return { jobs: rows.map(jobOf), ...pageFieldsOf(page, query) };
    },
    get: async ({ accountId }, jobId) =>
      jobOf(await jobSync.refresh(await findJob(options, { accountId, jobId }))),
    async watch(caller, { jobId, ...watch }) {
      const job = await findJob(options, { accountId: caller.accountId, jobId });
      const signal = await whileSignedIn(options, { holder: caller, signal: watch.signal });
      return eventsOf(jobSync.watch(job, { ...watch, signal }));
    },
    cancel: cancelling(options),
  };
}
