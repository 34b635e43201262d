/** Keeps the rows of training jobs in sync with ml, where the jobs run, and streams their progress from there. */
import type { MlStartTrainingRequest, MlTrainingStatus } from "../../../contract/ml_training.ts";
import { metricsOf } from "../../../contract/training_figures.ts";
import { backoffMs, delay } from "../../../lib/backoff.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { MlClient } from "../../clients/ml.ts";
import { isRefusedByDatabase } from "../../store/database_errors.ts";
import type { MlOutboxStore } from "../../store/training/ml_outbox_store.ts";
import type { TrainingJob as JobRow } from "../../store/schema.ts";
import type { TrainingJobChange, TrainingJobStore } from "../../store/training/training_job_store.ts";

export interface TrainingJobSyncOptions {
  trainingJobs: TrainingJobStore;
  mlOutbox: Pick<MlOutboxStore, "add">;
  ml: Pick<MlClient, "startTraining" | "trainingStatus" | "trainingEvents">;
  log: Logger;
  /** How long a job that ml does not know may be about to be started by another server; 0 where there is none. */
  startGraceMs?: number;
}

/** A job at one moment; `id` is the number of ml's event, null for what the server knows by itself. */
export interface JobEvent<Job> {
  id: string | null;
  job: Job;
}

export interface JobWatch {
  /** The last event that the reader has seen; absent: it wants all events from the start. */
  lastEventId?: string;
  signal: AbortSignal;
}

export interface TrainingJobSync {
  /** Starts a job on ml. When that fails, the job fails with ml's reason and the error is thrown. */
  start(row: JobRow, samples: MlStartTrainingRequest["samples"]): Promise<JobRow>;
  /** The job as ml has it now; as it was last known while ml cannot be asked. */
  refresh(row: JobRow): Promise<JobRow>;
  /** Records a status that ml reported; a job that has ended stays as it is. */
  record(row: JobRow, status: MlTrainingStatus): Promise<JobRow>;
  /**
   * Yields the job as it is now, then ml's events until it has ended or the signal aborts. While ml is unavailable it
   * waits; for a job that has ended and that ml no longer knows, the last event is the stored end.
   */
  watch(row: JobRow, watch: JobWatch): AsyncGenerator<JobEvent<JobRow>>;
}

/** Pauses before ml is asked again after its events ended too early. */
const WATCH_RETRY = { baseMs: 500, capMs: 10_000 };

/** True while a job may still change. */
export function isLive({ status }: JobRow): boolean {
  return status === "queued" || status === "training";
}

/** True when ml answered that it has no such job. */
export function isUnknownToMl(error: unknown): boolean {
  return error instanceof ApiError && error.code === "not_found";
}

/** What a status changes in a job's row; its figures stay for an ml that reports none. */
function changeOf(status: MlTrainingStatus): TrainingJobChange {
  const { status: name, progress, error, fix = null, phase, step, result } = status;
  const hasFigures = phase !== undefined || step !== undefined || result !== undefined;
  return { status: name, progress, error, fix, ...(hasFigures && { metrics: metricsOf(status) }) };
}

/** The job as it was at an event: a reader that joins late gets the earlier events too. */
function rowAt(row: JobRow, status: MlTrainingStatus): JobRow {
  const then = { ...row, metrics: null, ...changeOf(status) };
  return isLive(then) ? { ...then, finishedAt: null } : then;
}

/** True for a state that is a step forward, and not that of an event that is repeated. */
function isStep(row: JobRow, { status }: MlTrainingStatus): boolean {
  return isLive(row) && status !== "queued" && (row.status === "queued" || status !== "training");
}

function recording(
  { trainingJobs: jobs, log }: Pick<TrainingJobSyncOptions, "trainingJobs" | "log">,
): TrainingJobSync["record"] {
  return async (row, status) => {
    const update = (change: TrainingJobChange) => jobs.update(row.accountId, { jobId: row.id, ...change });
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

type Method<Name extends keyof TrainingJobSync> = Pick<TrainingJobSync, Name>;

/** Relays ml's events. The last one is recorded before it is yielded, so its reader finds the adapter there. */
async function* mlEvents(
  { ml, record }: Pick<TrainingJobSyncOptions, "ml"> & Method<"record">,
  row: JobRow,
  watch: JobWatch,
): AsyncGenerator<JobEvent<JobRow>> {
  for await (const { id, data } of ml.trainingEvents(row.id, watch)) {
    if (isStep(row, data)) row = await record(row, data);
    const then = rowAt(row, data);
    yield { id, job: isLive(then) ? then : row };
    if (!isLive(then)) return;
  }
}

function watching(
  { ml, log, record, refresh }: TrainingJobSyncOptions & Method<"record" | "refresh">,
): TrainingJobSync["watch"] {
  return async function* (watched, { signal, lastEventId }) {
    let row = await refresh(watched);
    yield { id: null, job: row };
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const event of mlEvents({ ml, record }, row, { lastEventId, signal })) {
          failures = 0;
          lastEventId = event.id ?? lastEventId;
          yield event;
          if (!isLive(event.job)) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        log.debug("a training job's events ended early", { jobId: row.id, ...logFieldsOfError(error) });
      }
      if (!isLive(row)) return;
      await delay(backoffMs(failures + 1, WATCH_RETRY), { signal }).catch(() => {});
      if (signal.aborted) return;
      row = await refresh(row);
      if (!isLive(row)) return yield { id: null, job: row };
    }
  };
}

/** Creates the sync of one server's training jobs with ml. */
export function createTrainingJobSync(options: TrainingJobSyncOptions): TrainingJobSync {
  /** Jobs whose row exists while ml has not answered yet: ml may not know them. */
  const starting = new Set<string>();
  const { mlOutbox, ml, log } = options;
  const record = recording(options);
  const fail = (row: JobRow, error: string) =>
    record(row, { job_id: row.id, status: "failed", progress: row.progress, error });

  const methods: Method<"start" | "refresh"> = {
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
        const isNew = Date.now() - row.createdAt.getTime() < (options.startGraceMs ?? 0);
        if (isUnknownToMl(error) && (isNew || starting.has(row.id))) return row;
        if (isUnknownToMl(error)) return await fail(row, "The ml service does not know this job any more");
        if (!(error instanceof ApiError)) throw error;
        log.debug("a training job could not be refreshed", { jobId: row.id, ...logFieldsOfError(error) });
        return row;
      }
    },
  };
  return { record, ...methods, watch: watching({ ...options, ...methods, record }) };
}
