/** What a job is to those who add it and to the handler that does it. */
import type { Logger } from "../log.ts";
import type { JobFields } from "./record.ts";

/** What one kind of job takes, gives back and reports on the way. All of it must survive JSON. */
export interface TaskShape {
  payload: unknown;
  result: unknown;
  progress?: unknown;
}

/** A record of task names to {@linkcode TaskShape}s; written so that interfaces fit it as well as type aliases. */
export type TaskMap<Tasks> = { [Name in keyof Tasks]: TaskShape };

/** The names of the tasks in a task map. */
export type TaskName<Tasks> = keyof Tasks & string;

/** What a task reports through `ctx.progress`; `never` when it declares none. */
export type ProgressOf<Shape> = Shape extends { progress: infer Progress } ? Progress : never;

export type JobState = JobFields["state"];

/** One job as callers see it. All times are epoch milliseconds. */
export interface Job<Tasks extends TaskMap<Tasks>, Name extends TaskName<Tasks> = TaskName<Tasks>>
  extends Omit<JobFields, "task" | "progress"> {
  task: Name;
  progress: ProgressOf<Tasks[Name]> | null;
}

/** Any job of a queue with its result, `undefined` unless it completed; testing `job.task` narrows both. */
export type AnyJob<Tasks extends TaskMap<Tasks>> = {
  [Name in TaskName<Tasks>]: Job<Tasks, Name> & { result: Tasks[Name]["result"] | undefined };
}[TaskName<Tasks>];

export interface EnqueueOptions {
  /** 1 to 100 characters of `A-Z a-z 0-9 _ -`; a random UUID when absent. */
  id?: string;
  /** Earliest start, epoch milliseconds; a time in the past means now. */
  runAt?: number;
  /** Attempts before the job fails; default 5. */
  maxAttempts?: number;
  /**
   * Whose job it is, such as an account. Groups take turns, and one whose jobs throw {@linkcode RetryLaterError} delays
   * no other. Jobs without a group are one group.
   */
  group?: string;
}

/** What a handler gets beside its payload. */
export interface JobContext<Progress = never> {
  id: string;
  /** 1 for the first attempt. */
  attempt: number;
  /**
   * Aborts when the job is cancelled or removed, or when the queue stops. Its `reason` is a {@linkcode JobAbortedError}.
   * A handler that throws after that costs the job nothing.
   */
  signal: AbortSignal;
  /** Records how far the work is. Cheap: writes are spaced out and only the latest value counts. At most 8 KiB of JSON. */
  progress: (value: Progress) => void;
  log: Logger;
}

/**
 * The work of one task; it may be asked to start the same job again after a crash, so its effects should be idempotent.
 * Any error spends an attempt and is retried with backoff, except {@linkcode RetryLaterError} and
 * {@linkcode PermanentJobError}. Error messages are stored: they must not carry text of the payload.
 */
export type JobHandler<Shape extends TaskShape> = (
  payload: Shape["payload"],
  context: JobContext<ProgressOf<Shape>>,
) => Promise<Shape["result"]> | Shape["result"];

/** One handler for each task of the queue. */
export type JobHandlers<Tasks extends TaskMap<Tasks>> = {
  [Name in TaskName<Tasks>]: JobHandler<Tasks[Name]>;
};

/** Handlers by task, without their types. */
export type UntypedHandlers = Record<string, JobHandler<TaskShape & { progress: unknown }>>;

export interface StopOptions {
  /** How long running jobs may go on before they are aborted; default 0. */
  graceMs?: number;
  /** How long after that their handlers may take to return before their jobs are requeued regardless; default 5000. */
  deadlineMs?: number;
}

/**
 * Thrown by a handler whose dependency is down or busy: the job goes back to the queue, spends no attempt and is tried
 * again with growing pauses, for as long as it takes. The other jobs of its task and group pause with it.
 */
export class RetryLaterError extends Error {
  override readonly name = "RetryLaterError";
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
  /** What to do about it; stored with the job. */
  readonly fix?: string;

  constructor(message: string, options: { code?: string; fix?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = options.code ?? "permanent_failure";
    this.fix = options.fix;
  }
}

/** The reason of an aborted {@linkcode JobContext.signal}. */
export class JobAbortedError extends Error {
  override readonly name = "JobAbortedError";

  constructor(readonly why: "cancelled" | "stopping") {
    super(`The job was asked to end: ${why}`);
  }
}
