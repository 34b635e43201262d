/** Runs one claimed job through its handler and writes what became of it. */
import { backoffMs, type BackoffOptions } from "../backoff.ts";
import { encodeBody, type JobBodies, type PreparedBody } from "./bodies.ts";
import type { Clock } from "../clock.ts";
import { PermanentJobError, RetryLaterError } from "./job_errors.ts";
import type { JobLease } from "./lease.ts";
import type { TaskPauses } from "./pauses.ts";
import type { JobHandler, TaskShape } from "./job_queue.ts";
import { isFinal, type JobRecord } from "./record.ts";
import { completed, failed, failureOf, handedBack, postponed, retried } from "./transitions.ts";

/** Handlers by task, their types forgotten: the queue's interface has checked them. */
export type UntypedHandlers = Record<string, JobHandler<TaskShape & { progress: unknown }>>;

export interface ExecutionParts {
  handlers: UntypedHandlers;
  bodies: JobBodies;
  pauses: TaskPauses;
  backoff: BackoffOptions;
  clock: Clock;
}

type Change = (record: JobRecord) => JobRecord;

/** Runs the job to the end of this attempt. Rejects only when the store does. */
export async function execute(lease: JobLease, parts: ExecutionParts): Promise<void> {
  const { record } = lease;
  const { bodies, clock, pauses } = parts;
  const startedAt = clock.now();
  let result: PreparedBody | undefined;
  let change: Change;
  try {
    const prepared = await work(lease, parts);
    pauses.end(record.task);
    change = (held) => completed(held, { now: clock.now(), result: prepared.ref });
    result = prepared;
  } catch (error) {
    change = changeAfter(error, lease, parts);
  }
  const saved = await lease.release(change, result);
  if (saved === null && result !== undefined) await bodies.discard(record.id, result);
  if (saved !== null && isFinal(saved.state)) await bodies.remove(record.id, record.payload);
  logEnd(lease, { saved, durationMs: clock.now() - startedAt });
}

async function work(lease: JobLease, parts: ExecutionParts): Promise<PreparedBody> {
  const { id, task, attempts, payload } = lease.record;
  const handler = Object.hasOwn(parts.handlers, task) ? parts.handlers[task] : undefined;
  if (handler === undefined) {
    throw new PermanentJobError(`This process has no handler for the task ${task}`, { code: "unknown_task" });
  }
  const input = await parts.bodies.read(id, { name: "payload", ref: payload });
  const output = await handler(input, {
    id,
    attempt: attempts,
    signal: lease.signal,
    progress: (value) => lease.report(value),
    log: lease.log,
  });
  return await parts.bodies.prepare(id, { name: "result", bytes: encodeResult(output) });
}

function encodeResult(output: unknown): Uint8Array | null {
  try {
    return encodeBody(output);
  } catch (cause) {
    throw new PermanentJobError("The handler's result is no JSON value", { code: "result_invalid", cause });
  }
}

function changeAfter(error: unknown, lease: JobLease, parts: ExecutionParts): Change {
  const { clock, backoff, pauses } = parts;
  const now = clock.now();
  // What a handler throws after it was told to end says nothing about the job.
  if (lease.signal.aborted) return handedBack;
  if (error instanceof RetryLaterError) {
    const { reason, afterMs } = error;
    const dueAt = pauses.begin(lease.record.task, { now, afterMs });
    return (held) => postponed(held, { now, dueAt, reason });
  }
  const failure = failureOf(error, now);
  if (error instanceof PermanentJobError) return (held) => failed(held, failure);
  return (held) => retried(held, { dueAt: now + backoffMs(held.attempts, backoff), error: failure });
}

function logEnd(lease: JobLease, end: { saved: JobRecord | null; durationMs: number }): void {
  const { saved, durationMs } = end;
  if (saved === null) return lease.log.info("Job ended after it was taken from this process", { durationMs });
  const { state, attempts, dueAt, waiting, error } = saved;
  const fields = { state, attempts, durationMs, code: error?.code };
  if (state === "completed") lease.log.info("Job completed", fields);
  else if (state === "failed") lease.log.error("Job failed", fields);
  else if (lease.signal.aborted) lease.log.info("Job handed back", fields);
  else lease.log.warn("Job goes back to the queue", { ...fields, reason: waiting?.reason, dueAt });
}
