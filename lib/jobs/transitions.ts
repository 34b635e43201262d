/** How a job's record changes: one pure function for each step of its life. */
import { type BodyRef, type ClaimedRecord, isFinal, type JobRecord } from "./record.ts";
import type { JobFailure } from "./job_queue.ts";

const ABSENT: BodyRef = { kind: "absent" };

/** Longest error message kept with a job, in characters. */
const MESSAGE_LIMIT = 500;

export interface NewJob {
  id: string;
  task: string;
  order: number;
  now: number;
  dueAt: number;
  maxAttempts: number;
  payload: BodyRef;
}

export function newRecord(job: NewJob): JobRecord {
  const { id, task, order, now, dueAt, maxAttempts, payload } = job;
  return {
    version: 1,
    id,
    task,
    state: "queued",
    order,
    enqueuedAt: now,
    dueAt,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    maxAttempts,
    lease: null,
    waiting: null,
    error: null,
    progress: null,
    payload,
    result: ABSENT,
  };
}

/** Whether the run that holds this token still holds the job. */
export function isHeldBy(record: JobRecord, token: string): boolean {
  return record.state === "running" && record.lease?.token === token;
}

/** Starts the next attempt under a new lease. */
export function claimed(
  record: JobRecord,
  lease: { token: string; now: number; until: number },
): ClaimedRecord {
  const { token, now, until } = lease;
  const attempts = record.attempts + 1;
  return { ...record, state: "running", attempts, startedAt: now, lease: { token, until } };
}

export function renewed(record: JobRecord, until: number): JobRecord {
  return record.lease === null ? record : { ...record, lease: { ...record.lease, until } };
}

/** Ends the job for good; its payload is needed no more. */
function finished(record: JobRecord, now: number): JobRecord {
  return { ...record, finishedAt: now, lease: null, payload: ABSENT };
}

export function completed(record: JobRecord, end: { now: number; result: BodyRef }): JobRecord {
  return {
    ...finished(record, end.now),
    state: "completed",
    result: end.result,
    waiting: null,
    error: null,
  };
}

export function failed(record: JobRecord, error: JobFailure): JobRecord {
  return { ...finished(record, error.at), state: "failed", waiting: null, error };
}

/** A final record stays what it is. */
export function cancelled(record: JobRecord, now: number): JobRecord {
  return isFinal(record.state) ? record : { ...finished(record, now), state: "cancelled", waiting: null };
}

/** Queues another attempt, or fails the job when it has none left. */
export function retried(
  record: JobRecord,
  retry: { dueAt: number; error: JobFailure },
): JobRecord {
  if (record.attempts >= record.maxAttempts) return failed(record, retry.error);
  return { ...record, state: "queued", lease: null, waiting: null, ...retry };
}

/** Puts the job back into its old place; the attempt does not count. */
export function handedBack(record: JobRecord): JobRecord {
  return { ...record, state: "queued", lease: null, attempts: record.attempts - 1 };
}

/** Lets the job wait for its dependency; the attempt does not count. */
export function postponed(
  record: JobRecord,
  wait: { now: number; dueAt: number; reason: string },
): JobRecord {
  const { since, tries } = record.waiting ?? { since: wait.now, tries: 0 };
  const waiting = { since, tries: tries + 1, reason: wait.reason.slice(0, MESSAGE_LIMIT) };
  return { ...handedBack(record), dueAt: wait.dueAt, waiting };
}

/** Takes the job from a process that no longer renews its lease; the attempt counts, lest it crash process after process. */
export function leaseExpired(record: JobRecord, now: number): JobRecord {
  const message = "The process that ran this job ended or stopped responding";
  return retried(record, { dueAt: record.dueAt, error: { code: "lease_expired", message, at: now } });
}

/** What is kept of an error. */
export function failureOf(error: unknown, now: number): JobFailure {
  if (!(error instanceof Error)) {
    return { code: "unknown", message: "The handler threw a value that is no error", at: now };
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return { code, message: error.message.slice(0, MESSAGE_LIMIT), at: now };
}
