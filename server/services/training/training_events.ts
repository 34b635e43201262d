/** Owns watching one training job as it goes: ml's own events, taken up again where they broke off. */
import { backoffMs, delay } from "../../../lib/backoff.ts";
import { ApiError, logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { TrainingJob as JobRow } from "../../store/schema.ts";
import { changeOf, isLive, type JobStatus, type TrainingJobSync } from "./training_job_sync.ts";

export interface JobWatchOptions {
  ml: Pick<MlClient, "trainingEvents">;
  jobSync: TrainingJobSync;
  log: Logger;
}

/** The job at one moment; `id` is ml's number of that moment, null for what the server knows by itself. */
export interface JobEvent {
  id: string | null;
  row: JobRow;
}

export interface JobWatch {
  row: JobRow;
  /** The last event that the reader has seen; absent: it wants the job's course from its start. */
  lastEventId?: string;
  signal: AbortSignal;
}

/** Pauses before ml is asked again after its events ended too early. */
const RETRY = { baseMs: 500, capMs: 10_000 };

/** The job as it was when ml said so: the course is told again to whoever comes late. */
function rowAt(row: JobRow, status: JobStatus): JobRow {
  const then = { ...row, metrics: null, ...changeOf(status) };
  return isLive(then) ? { ...then, finishedAt: null } : then;
}

/** Notes what takes the job on, and nothing that is told again. */
async function noted({ jobSync }: JobWatchOptions, { row, status }: { row: JobRow; status: JobStatus }) {
  const goesOn = row.status === "queued" ? status.status !== "queued" : status.status !== "training";
  return isLive(row) && goesOn && status.status !== "queued" ? await jobSync.record(row, status) : row;
}

/** Passes ml's events on. An end is recorded before it is told, so whoever hears of it finds the adapter there. */
async function* mlEvents(options: JobWatchOptions, watch: JobWatch): AsyncGenerator<JobEvent> {
  let { row } = watch;
  const { signal, lastEventId } = watch;
  for await (const { id, data } of options.ml.trainingEvents(row.id, { signal, lastEventId })) {
    const { job_id: _, ...status } = data;
    row = await noted(options, { row, status });
    const then = rowAt(row, status);
    yield { id, row: isLive(then) ? then : row };
    if (!isLive(then)) return;
  }
}

/**
 * Yields the job as it is now, then its course as ml tells it, until it has ended or the signal aborts. While ml is away
 * nothing is told, and the watch goes on; of a job that has ended and that ml does not know any more, the end is told.
 */
export async function* watchJob(options: JobWatchOptions, watch: JobWatch): AsyncGenerator<JobEvent> {
  const { jobSync, log } = options;
  const { signal } = watch;
  let row = await jobSync.refresh(watch.row);
  let { lastEventId } = watch;
  yield { id: null, row };
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      for await (const event of mlEvents(options, { row, lastEventId, signal })) {
        failures = 0;
        lastEventId = event.id ?? lastEventId;
        yield event;
        if (!isLive(event.row)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      log.debug("a training job's events ended early", { jobId: row.id, ...logFieldsOfError(error) });
    }
    if (!isLive(row)) return;
    await delay(backoffMs(failures + 1, RETRY), { signal }).catch(() => {});
    if (signal.aborted) return;
    row = await jobSync.refresh(row);
    if (!isLive(row)) return yield { id: null, row };
  }
}
