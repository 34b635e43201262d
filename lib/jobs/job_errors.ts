/** The errors by which a job queue and its handlers understand one another. */

/**
 * Thrown by a handler whose dependency is down or busy: the job goes back to the queue, spends no attempt and is tried
 * again with growing pauses, for as long as it takes. The other jobs of its task pause with it.
 */
export class RetryLaterError extends Error {
  override readonly name = "RetryLaterError";
  readonly code = "retry_later";
  /** A word for people and programs, such as `ml_unavailable`; stored with the job. */
  readonly reason: string;
  /** Shortest wait before the next try, such as a `Retry-After`; the backoff may make it longer. */
  readonly afterMs: number;

  constructor(reason: string, options: { afterMs?: number; cause?: unknown } = {}) {
    super(`The job waits: ${reason}`, { cause: options.cause });
    this.reason = reason;
    this.afterMs = options.afterMs ?? 0;
  }
}

/** Thrown by a handler when trying again cannot help: the job fails at once. */
export class PermanentJobError extends Error {
  override readonly name = "PermanentJobError";
  readonly code: string;

  constructor(message: string, options: { code?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = options.code ?? "permanent_failure";
  }
}

/** Why a running handler is told to end. */
export type JobAbortCause = "cancelled" | "lease_lost" | "stopping";

/** The reason of an aborted {@linkcode JobContext.signal}. */
export class JobAbortedError extends Error {
  override readonly name = "JobAbortedError";
  readonly code = "job_aborted";

  constructor(readonly why: JobAbortCause) {
    super(`The job was told to end: ${why}`);
  }
}
