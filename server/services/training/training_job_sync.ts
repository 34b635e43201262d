/** Keeps the rows of training jobs in sync with ml, where the jobs run. */
import type {
  MlStartTrainingRequest,
  MlTrainingStatus,
  TrainingResult,
} from "../../../contract/ml_training.ts";
import type { TrainingMetrics, TrainingOutcome } from "../../../contract/training.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { MlClient } from "../../clients/ml.ts";
import { isRefusedByDatabase } from "../../store/database_errors.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import type { TrainingJob as JobRow } from "../../store/schema.ts";
import type { TrainingJobStore, TrainingJobUpdate } from "../../store/training/training_job_store.ts";

/** A job's state as ml reports it. */
export type JobStatus = Omit<MlTrainingStatus, "job_id">;

export interface TrainingJobSyncOptions {
  trainingJobs: TrainingJobStore;
  mlOutbox: Pick<MlOutboxStore, "add">;
  ml: Pick<MlClient, "startTraining" | "trainingStatus">;
  log: Logger;
}

export interface TrainingJobSync {
  /** Starts a job on ml. When that fails, the job fails with ml's reason and the error is thrown. */
  start(row: JobRow, samples: MlStartTrainingRequest["samples"]): Promise<JobRow>;
  /** The job as ml has it now; as it was last known while ml cannot be asked. */
  refresh(row: JobRow): Promise<JobRow>;
  /** Records a state that ml reported; a job that has ended stays as it is. */
  record(row: JobRow, status: JobStatus): Promise<JobRow>;
}

/** True while a job may still change. */
export function isLive({ status }: JobRow): boolean {
  return status === "queued" || status === "training";
}

/** True when ml answered that it has no such job. */
export function isUnknownToMl(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}

function outcomeOf(result: TrainingResult): TrainingOutcome {
  return {
    adapterId: result.adapter_id,
    offered: result.offered,
    baseLoss: result.base_loss,
    examplesLoss: result.examples_loss,
    adapterLoss: result.adapter_loss,
    heldOutSamples: result.held_out_samples,
    trainSamples: result.train_samples,
  };
}

/** The progress that ml reports; undefined for an ml that reports none. */
function metricsOf(status: JobStatus): TrainingMetrics | undefined {
  if (status.phase === undefined && status.step === undefined && status.result === undefined) {
    return undefined;
  }
  return {
    phase: status.phase ?? null,
    step: status.step ?? null,
    steps: status.steps ?? null,
    epoch: status.epoch ?? null,
    loss: status.loss ?? null,
    heldOutLoss: status.held_out_loss ?? null,
    learningRate: status.learning_rate ?? null,
    tokensPerSecond: status.tokens_per_second ?? null,
    etaMs: status.eta_ms ?? null,
    excluded: status.excluded ?? null,
    result: status.result ? outcomeOf(status.result) : null,
  };
}

/** What a state reported by ml changes in a job's row. */
export function changeOf(status: JobStatus): Omit<TrainingJobUpdate, "jobId"> {
  const { status: name, progress, error } = status;
  const metrics = metricsOf(status);
  return metrics === undefined
    ? { status: name, progress, error }
    : { status: name, progress, error, metrics };
}

function recording(
  { trainingJobs: jobs, log }: Pick<TrainingJobSyncOptions, "trainingJobs" | "log">,
): TrainingJobSync["record"] {
  return async (row, status) => {
    const update = (change: Omit<TrainingJobUpdate, "jobId">) =>
      jobs.update(row.accountId, { jobId: row.id, ...change });
    const updated = await update(changeOf(status)).catch((error) => {
      // The same state would be refused again, and the job would never end.
      if (!isRefusedByDatabase(error)) throw error;
      log.error("the database refused the state that ml reported of a training job", {
        jobId: row.id,
        ...logFieldsOfError(error),
      });
      return update({
        status: "failed",
        error: "The state that the ml service reported could not be stored",
      });
    });
    return updated ?? await jobs.find(row.accountId, row.id) ?? row;
  };
}

function startRequestOf(row: JobRow, samples: MlStartTrainingRequest["samples"]): MlStartTrainingRequest {
  const { seed, batchSize, lora } = row.settings;
  return {
    job_id: row.id,
    base_model: row.baseModel,
    samples,
    epochs: row.epochs,
    learning_rate: row.learningRate,
    method: row.method,
    seed,
    batch_size: batchSize,
    lora,
  };
}

/** Creates the sync of one server's training jobs with ml. */
export function createTrainingJobSync(options: TrainingJobSyncOptions): TrainingJobSync {
  /** Jobs whose row exists while ml has not answered yet: ml may not know them. */
  const starting = new Set<string>();
  const { mlOutbox, ml, log } = options;
  const record = recording(options);
  const fail = (row: JobRow, error: string) =>
    record(row, { status: "failed", progress: row.progress, error });

  return {
    record,
    async start(row, samples) {
      starting.add(row.id);
      try {
        return await record(row, await ml.startTraining(startRequestOf(row, samples)));
      } catch (error) {
        // Without an answer, ml may have started the job all the same.
        if (!(error instanceof ApiError) || error.code === "ml_unavailable") {
          await mlOutbox.add({ kind: "cancel_training", target: row.id });
        }
        await fail(row, error instanceof ApiError ? error.message : "Something went wrong on the server");
        throw error;
      } finally {
        starting.delete(row.id);
      }
    },
    async refresh(row) {
      if (!isLive(row) || starting.has(row.id)) return row;
      try {
        return await record(row, await ml.trainingStatus(row.id));
      } catch (error) {
        // It may have begun to be started since ml was asked.
        if (isUnknownToMl(error) && starting.has(row.id)) return row;
        if (isUnknownToMl(error)) return await fail(row, "The ml service does not know this job any more");
        if (!(error instanceof ApiError)) throw error;
        log.debug("a training job could not be refreshed", { jobId: row.id, ...logFieldsOfError(error) });
        return row;
      }
    },
  };
}
