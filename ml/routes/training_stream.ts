/** Owns a training job's statuses as server-sent events: those told so far, then each as it comes, until the job ends. */
import { type Context, streamSSE } from "../../deps.ts";
import type { ApiEnv } from "../../lib/http.ts";
import type { TrainingJobs } from "../services/training_jobs.ts";

/** Proxies close a connection that is silent for a minute, and a reader that left is noticed by a write only. */
const HEARTBEAT_MS = 15_000;

export interface TrainingStreamOptions {
  jobId: string;
  /** The number of the last event that the reader has seen; 0 for none. */
  after: number;
  trainingJobs: Pick<TrainingJobs, "events">;
}

/**
 * Answers with events.
 *
 * @throws ApiError `not_found` before the stream begins
 */
export async function streamTraining(c: Context<ApiEnv>, options: TrainingStreamOptions): Promise<Response> {
  const { jobId, after, trainingJobs } = options;
  const leaving = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, leaving.signal]);
  const statuses = await trainingJobs.events(jobId, { after, signal });
  return streamSSE(c, async (stream) => {
    stream.onAbort(() => leaving.abort());
    const heartbeat = setInterval(
      () => stream.write(": waiting\n\n").catch(() => leaving.abort()),
      HEARTBEAT_MS,
    );
    try {
      for await (const { number, value } of statuses) {
        await stream.writeSSE({ id: String(number), event: "status", data: JSON.stringify(value) });
      }
    } finally {
      clearInterval(heartbeat);
    }
  });
}
