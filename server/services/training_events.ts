/** Owns watching one training job as it goes: from ml's own events where they come, else by asking. */
import { backoffMs, delay } from "../../lib/backoff.ts";
import { ApiError, logFieldsOfError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { MlClient } from "../clients/ml.ts";
import type { TrainingJob as JobRow } from "../store/schema.ts";
import { changeOf, isLive, type JobFollower } from "./training_follower.ts";

export interface JobWatchOptions {
  ml: Pick<MlClient, "trainingEvents">;
  follower: JobFollower;
  log: Logger;
}

/** Pauses before ml is asked again after its events ended too early. */
const RETRY = { baseMs: 500, capMs: 10_000 };

/** Passes ml's events on. An end is recorded before it is told, so whoever hears of it finds the adapter there. */
async function* mlEvents(
  { ml, follower }: JobWatchOptions,
  { row, signal }: { row: JobRow; signal: AbortSignal },
): AsyncGenerator<JobRow> {
  let known = row;
  for await (const { job_id: _, ...status } of ml.trainingEvents(row.id, { signal })) {
    if (status.status === known.status) yield { ...known, ...changeOf(status) };
    else yield known = await follower.record(known, status);
    if (!isLive(known)) return;
  }
}

/**
 * Yields the job as it is now and after each change, until it has ended or the signal aborts. While ml is away nothing
 * is told, and the watch goes on.
 */
export async function* watchJob(
  options: JobWatchOptions,
  { row, signal }: { row: JobRow; signal: AbortSignal },
): AsyncGenerator<JobRow> {
  const { follower, log } = options;
  let known = await follower.refresh(row);
  yield known;
  for (let failures = 0; isLive(known) && !signal.aborted; failures++) {
    try {
      for await (const next of mlEvents(options, { row: known, signal })) {
        failures = 0;
        yield known = next;
      }
      if (!isLive(known)) return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      log.debug("a training job's events ended early", { jobId: row.id, ...logFieldsOfError(error) });
    }
    await delay(backoffMs(failures + 1, RETRY), { signal }).catch(() => {});
    if (signal.aborted) return;
    known = await follower.refresh(known);
    if (!isLive(known)) yield known;
  }
}
