/** The job queue, over a table in whatever store: adding, reading, awaiting and running jobs. */
import type { BackoffOptions } from "../backoff.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type {
  AnyJob,
  EnqueueOptions,
  Job,
  JobHandlers,
  JobState,
  StopOptions,
  TaskMap,
  TaskName,
} from "./job.ts";
import { encodeBody, type JobTable, readBody, watchJob } from "./job_table.ts";
import { checkedName, ended, isFinal, jobFieldsOf, newRecord, refOf } from "./record.ts";
import { JobRunner, type RunnerOptions } from "./runner.ts";

const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;
const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, capMs: 60_000 };
const DEFAULT_MAX_ATTEMPTS = 5;
const MAX_LIST_LIMIT = 1_000;

/** Times in milliseconds. */
export interface JobQueueOptions {
  /** Where the jobs are. Stays open until the queue is stopped. */
  table: JobTable;
  log: Logger;
  /** Default: the system's clock. */
  clock?: Clock;
  /** Jitter source in [0, 1); default `Math.random`. */
  random?: () => number;
  /** How long finished jobs are stored. Default 7 days. */
  retentionMs?: number;
  /** Waits between attempts, as `backoffMs` reads them. Default 1 000 and 60 000. */
  backoff?: BackoffOptions;
}

/** Jobs that survive the process: those that ran when it ended are queued again when the next one listens. */
export class JobQueue<Tasks extends TaskMap<Tasks>> {
  readonly #table: JobTable;
  readonly #options: Omit<RunnerOptions, "handlers" | "concurrency">;
  #runner: JobRunner | null = null;
  #stopped: Promise<void> | null = null;
  #order = 0;

  constructor(options: JobQueueOptions) {
    const { table, log, clock = systemClock, random } = options;
    const { retentionMs = DEFAULT_RETENTION_MS, backoff = DEFAULT_BACKOFF } = options;
    this.#table = table;
    this.#options = { table, log, clock, retentionMs, backoff: { random, ...backoff } };
  }

  /**
   * Adds a job; it is durable once this resolves.
   * @throws {ApiError} `job_exists` (409): a job with this id exists; finished ones count until they expire
   * @throws {TypeError} the id is malformed or the payload is no JSON value
   * @throws {RangeError} `maxAttempts` is below 1
   */
  async enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options: EnqueueOptions = {},
  ): Promise<Job<Tasks, Name>> {
    const { id = crypto.randomUUID(), runAt = 0, maxAttempts = DEFAULT_MAX_ATTEMPTS, group = null } = options;
    checkedCount("maxAttempts", maxAttempts);
    const enqueuedAt = this.#options.clock.now();
    const dueAt = Math.max(enqueuedAt, Math.ceil(runAt));
    const fields = { id: checkedName(id), task, group, order: this.#order++, enqueuedAt, dueAt, maxAttempts };
    const body = encodeBody(payload);
    const record = newRecord({ ...fields, payload: refOf(body) });
    if (!await this.#table.insert(record, body)) {
      const fix = "choose another id or remove that job";
      throw new ApiError("job_exists", `A job with the id ${id} exists already: ${fix}`);
    }
    return jobFieldsOf(record) as Job<Tasks, Name>;
  }

  /** The job with its result, or null when there is none with this id. Rejects when a stored result is gone or damaged. */
  async get(id: string): Promise<AnyJob<Tasks> | null> {
    const record = await this.#table.get(id);
    if (record === null) return null;
    const result = await readBody(this.#table, { record, name: "result" });
    return { ...jobFieldsOf(record), result } as AnyJob<Tasks>;
  }

  /** Place in the queue, 1 for the next to start; null unless the job is queued. */
  async position(id: string): Promise<number | null> {
    const queued = await this.#table.list({ state: "queued" });
    return 1 + queued.findIndex((job) => job.id === id) || null;
  }

  /**
   * Cancels a queued or running job; its state is `cancelled` when this resolves, and its handler's signal aborts. A
   * finished job is returned as it is.
   */
  async cancel(id: string): Promise<Job<Tasks> | null> {
    const finishedAt = this.#options.clock.now();
    const next = await this.#table.update(id, (record) => {
      return isFinal(record.state) ? record : ended(record, { state: "cancelled", finishedAt });
    });
    return next && jobFieldsOf(next) as Job<Tasks>;
  }

  /** Cancels the job where needed and deletes all that is stored of it; false when there was none. */
  async remove(id: string): Promise<boolean> {
    // Once the job is final no run can store anything for it any more.
    await this.cancel(id);
    return await this.#table.erase(id);
  }

  /**
   * Jobs without results: running ones, queued ones in the order they will start, finished ones latest first. At most
   * `limit` of them: default 100, at most 1000.
   */
  async list({ state, limit = 100 }: { state?: JobState; limit?: number } = {}): Promise<Job<Tasks>[]> {
    const records = await this.#table.list({ state, limit: Math.min(limit, MAX_LIST_LIMIT) });
    return records.map((record) => jobFieldsOf(record) as Job<Tasks>);
  }

  /** Number of jobs in each state. */
  stats(): Promise<Record<JobState, number>> {
    return this.#table.stats();
  }

  /** Number of queued jobs. */
  async queueLength(): Promise<number> {
    return (await this.stats()).queued;
  }

  /**
   * Yields the job now and after each change (state, attempt, progress); ends after its final state, when it is
   * removed, or when the signal aborts, which is how to end it from outside.
   */
  async *watch(id: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Job<Tasks>> {
    for await (const record of watchJob(this.#table, { id, signal })) yield jobFieldsOf(record) as Job<Tasks>;
  }

  /**
   * Resolves with the job once it is final; null when it does not exist. One that is removed meanwhile ends as null or as
   * `cancelled`, whichever is seen first.
   * @throws the signal's reason when that aborts first
   */
  async waitFor(id: string, options: { signal?: AbortSignal } = {}): Promise<AnyJob<Tasks> | null> {
    for await (const job of this.watch(id, options)) {
      if (isFinal(job.state)) return await this.get(id);
    }
    options.signal?.throwIfAborted();
    return null;
  }

  /**
   * Starts running jobs, at most `concurrency` at a time, in the order they became due. Once per queue.
   * @throws {Error} it listens already or was stopped
   * @throws {RangeError} `concurrency` is below 1
   */
  listen(handlers: JobHandlers<Tasks>, { concurrency }: { concurrency: number }): void {
    if (this.#runner !== null || this.#stopped !== null) {
      throw new Error("The job queue listens already or was stopped; open another one");
    }
    this.#runner = new JobRunner({
      ...this.#options,
      handlers: handlers as unknown as RunnerOptions["handlers"],
      concurrency: checkedCount("concurrency", concurrency),
    });
  }

  /**
   * Starts no more jobs, lets running ones finish for `graceMs`, aborts them, and requeues those that did not complete
   * in their old place, with no attempt spent. Adding and reading jobs still works afterwards.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return this.#stopped ??= this.#runner?.stop(options) ?? Promise.resolve();
  }
}

function checkedCount(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(`${name} must be a whole number of at least 1: got ${value}`);
}
