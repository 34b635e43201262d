/** Streams a training job's progress from ml, and resumes where the stream broke off. */
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

/** The job at one moment; `id` is the number of ml's event, null for what the server knows by itself. */
export interface JobEvent {
  id: string | null;
  row: JobRow;
}

export interface JobWatch {
  row: JobRow;
  /** The last event that the reader has seen; absent: it wants all events from the start. */
  lastEventId?: string;
  signal: AbortSignal;
}

/** Pauses before ml is asked again after its events ended too early. */
const RETRY = { baseMs: 500, capMs: 10_000 };

/** The job as it was at an event: a reader that joins late gets the earlier events too. */
function rowAt(row: JobRow, status: JobStatus): JobRow {
  const then = { ...row, metrics: null, ...changeOf(status) };
  return isLive(then) ? { ...then, finishedAt: null } : then;
}

/** Records a state that is a step forward, and none of an event that is repeated. */
async function recordStep({ jobSync }: JobWatchOptions, { row, status }: { row: JobRow; status: JobStatus }) {
  const isForward = row.status === "queued" ? status.status !== "queued" : status.status !== "training";
  return isLive(row) && isForward && status.status !== "queued" ? await jobSync.record(row, status) : row;
}

/** Relays ml's events. The last one is recorded before it is yielded, so its reader finds the adapter there. */
async function* mlEvents(options: JobWatchOptions, watch: JobWatch): AsyncGenerator<JobEvent> {
  let { row } = watch;
  const { signal, lastEventId } = watch;
  for await (const { id, data } of options.ml.trainingEvents(row.id, { signal, lastEventId })) {
    const { job_id: _, ...status } = data;
    row = await recordStep(options, { row, status });
    const then = rowAt(row, status);
    yield { id, row: isLive(then) ? then : row };
    if (!isLive(then)) return;
  }
}

/**
 * Yields the job as it is now, then ml's events until it has ended or the signal aborts. While ml is unavailable it
 * waits; for a job that has ended and that ml no longer knows, the last event is the stored end.
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
