/** The contract of the job queue: what every implementation offers, whatever store holds its jobs. */
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";

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

/** `queued` also covers a job that waits for its next attempt; the last three are final. */
export type JobState = "queued" | "running" | "completed" | "failed" | "cancelled";

/** The last error of a job. */
export interface JobFailure {
  /** `code` of the error where it has one, else its class name. */
  code: string;
  message: string;
  /** What to do about it; absent where nothing was said. */
  fix?: string;
  /** Epoch milliseconds. */
  at: number;
}

/** One job as the store has it. All times are epoch milliseconds. */
export interface Job<Tasks extends TaskMap<Tasks>, Name extends TaskName<Tasks> = TaskName<Tasks>> {
  id: string;
  task: Name;
  /** See {@linkcode EnqueueOptions.group}; null for none. */
  group: string | null;
  state: JobState;
  enqueuedAt: number;
  /** When it may start at the earliest: `runAt`, or the end of a backoff. */
  dueAt: number;
  /** Start of the latest attempt. */
  startedAt: number | null;
  finishedAt: number | null;
  /** Attempts spent, the running one included. */
  attempts: number;
  maxAttempts: number;
  /**
   * Present while the job waits for a dependency, which spends no attempt, and during the try that follows: when it first
   * found that down, the reason the handler gave, such as `ml_unavailable`, and how often it tried since.
   */
  waiting: { since: number; reason: string; tries: number } | null;
  error: JobFailure | null;
  /** The latest value the handler reported. */
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

export interface ListOptions {
  state?: JobState;
  /** At most this many jobs; default 100, at most 1000. */
  limit?: number;
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

export interface StopOptions {
  /** How long running jobs may go on before they are aborted; default 0. */
  graceMs?: number;
  /** How long after that their handlers may take to return before their jobs are requeued regardless; default 5000. */
  deadlineMs?: number;
}

/** Jobs that survive the process: those that ran when it ended are queued again when the next one listens. */
export interface JobQueue<Tasks extends TaskMap<Tasks>> extends AsyncDisposable {
  /**
   * Adds a job; it is durable once this resolves.
   * @throws {ApiError} `job_exists` (409): a job with this id exists; finished ones count until they expire
   * @throws {TypeError} the id is malformed or the payload is no JSON value
   * @throws {RangeError} `maxAttempts` is below 1
   */
  enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options?: EnqueueOptions,
  ): Promise<Job<Tasks, Name>>;

  /** The job with its result, or null when there is none with this id. Rejects when a stored result is gone or damaged. */
  get(id: string): Promise<AnyJob<Tasks> | null>;

  /** Place in the queue, 1 for the next to start; null unless the job is queued. */
  position(id: string): Promise<number | null>;

  /**
   * Cancels a queued or running job; its state is `cancelled` when this resolves, and its handler's signal aborts. A
   * finished job is returned as it is.
   */
  cancel(id: string): Promise<Job<Tasks> | null>;

  /** Cancels the job where needed and deletes all that is stored of it; false when there was none. */
  remove(id: string): Promise<boolean>;

  /** Jobs without results: queued ones in the order they will start, finished ones latest first. */
  list(options?: ListOptions): Promise<Job<Tasks>[]>;

  /** Number of jobs in each state. */
  stats(): Promise<Record<JobState, number>>;

  /** Number of queued jobs. */
  queueLength(): Promise<number>;

  /**
   * Yields the job now and after each change (state, attempt, progress); ends after its final state, when it is
   * removed, or when the signal aborts, which is how to end it from outside.
   */
  watch(id: string, options?: { signal?: AbortSignal }): AsyncIterable<Job<Tasks>>;

  /**
   * Resolves with the job once it is final; null when it does not exist. One that is removed meanwhile ends as null or as
   * `cancelled`, whichever is seen first.
   * @throws the signal's reason when that aborts first
   */
  waitFor(id: string, options?: { signal?: AbortSignal }): Promise<AnyJob<Tasks> | null>;

  /**
   * Starts running jobs, at most `concurrency` at a time, in the order they became due. Once per queue.
   * @throws {Error} it listens already or was stopped
   * @throws {RangeError} `concurrency` is below 1
   */
  listen(handlers: JobHandlers<Tasks>, options: { concurrency: number }): void;

  /**
   * Starts no more jobs, lets running ones finish for `graceMs`, aborts them, and requeues those that did not complete
   * in their old place, with no attempt spent. Adding and reading jobs still works afterwards.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** The options of all implementations; times in milliseconds. */
export interface JobQueueOptions {
  /** Names the queue within its store: several queues may share one. `A-Z a-z 0-9 _ -`. */
  name: string;
  log: Logger;
  /** Default: the system's clock. */
  clock?: Clock;
  /** Jitter source in [0, 1); default `Math.random`. */
  random?: () => number;
  /** How long finished jobs are stored. Default 7 days. */
  retentionMs?: number;
  /** Waits between attempts, as `backoffMs` reads them. Default 1 000 and 60 000. */
  backoff?: { baseMs: number; capMs: number };
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
