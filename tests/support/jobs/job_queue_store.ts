/** What the job queue suite needs of an implementation, and how its tests wait for what a queue does. */
import assert from "node:assert/strict";
import type { AnyJob, Job, JobState, TaskMap } from "../../../lib/jobs/job.ts";
import type { JobQueue, JobQueueOptions } from "../../../lib/jobs/job_queue.ts";
import { withDeadline } from "../../../lib/async.ts";
import { type ChildWork, type JobQueueProcess, PATIENCE_MS, type SuiteTasks } from "./job_queue_process.ts";

/** The options of a queue, which is named `suite` unless they say otherwise. */
export type StoreQueueOptions = Partial<Omit<JobQueueOptions, "table">> & { name?: string };

/** An empty store of one implementation; disposing stops its queues and removes it. */
export interface JobQueueStore extends AsyncDisposable {
  /** Opens a queue in this process, over the connection of those before it, and over a new one after `close`. */
  open<Tasks extends TaskMap<Tasks> = SuiteTasks>(options?: StoreQueueOptions): Promise<JobQueue<Tasks>>;
  /** Stops the queues of this process and closes its connection, so that another process may own the store. */
  close(): Promise<void>;
  /** Starts another process on the queue `suite`; disposing the store kills it. */
  spawn(work: ChildWork): JobQueueProcess;
}

/** Resolves with what it is given, and fails where that takes for ever. */
export async function soon<Value>(awaited: Promise<Value>): Promise<Value> {
  assert.ok(await withDeadline(awaited, PATIENCE_MS), "what was awaited did not happen");
  return await awaited;
}

/** Resolves with the job once it is final. */
export async function finished<Tasks extends TaskMap<Tasks>>(
  queue: JobQueue<Tasks>,
  id: string,
): Promise<AnyJob<Tasks>> {
  const job = await queue.waitFor(id, { signal: AbortSignal.timeout(PATIENCE_MS) });
  assert.ok(job !== null, "the job is not there");
  return job;
}

/** Resolves with the job as soon as it is as asked. */
export async function until(
  queue: JobQueue<SuiteTasks>,
  wanted: { id: string; when: (job: Job<SuiteTasks>) => boolean },
): Promise<Job<SuiteTasks>> {
  for await (const job of queue.watch(wanted.id, { signal: AbortSignal.timeout(PATIENCE_MS) })) {
    if (wanted.when(job)) return job;
  }
  assert.fail("the job did not become as awaited");
}

/** Resolves with the job as soon as it is in a state. */
export function untilState(
  queue: JobQueue<SuiteTasks>,
  wanted: { id: string; state: JobState },
): Promise<Job<SuiteTasks>> {
  return until(queue, { id: wanted.id, when: (job) => job.state === wanted.state });
}

/** Resolves once everything that is due by now has started, given a free slot. */
export async function catchUp(queue: JobQueue<SuiteTasks>): Promise<void> {
  const { id } = await queue.enqueue("ping", null);
  assert.equal((await finished(queue, id)).state, "completed");
}
