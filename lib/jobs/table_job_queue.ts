/** The job queue over a job table: what it offers is the same, whatever store holds the records. */
import type { BackoffOptions } from "../backoff.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError, messageOf } from "../errors.ts";
import { encodeBody } from "./bodies.ts";
import type {
  AnyJob,
  EnqueueOptions,
  Job,
  JobHandlers,
  JobQueue,
  JobQueueOptions,
  JobState,
  ListOptions,
  StopOptions,
  TaskMap,
  TaskName,
} from "./job_queue.ts";
import { type JobTable, watchJob } from "./job_table.ts";
import { cancelled, checkedName, isFinal, type JobRecord, newRecord } from "./record.ts";
import type { UntypedHandlers } from "./run.ts";
import { JobRunner } from "./runner.ts";

const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;
const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, capMs: 60_000 };
const DEFAULT_MAX_ATTEMPTS = 5;
const DEFAULT_LIST_LIMIT = 100;
const MAX_LIST_LIMIT = 1_000;

export interface TableJobQueueOptions extends JobQueueOptions {
  /** Called at each use: it opens the table at the first one. */
  openTable: () => Promise<JobTable>;
}

/** A {@linkcode JobQueue} over a {@linkcode JobTable}. */
export class TableJobQueue<Tasks extends TaskMap<Tasks>> implements JobQueue<Tasks> {
  readonly #options: TableJobQueueOptions;
  readonly #clock: Clock;
  #runner: Promise<JobRunner> | null = null;
  #stopped: Promise<void> | null = null;
  #order = 0;

  constructor(options: TableJobQueueOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options: EnqueueOptions = {},
  ): Promise<Job<Tasks, Name>> {
    const { id = crypto.randomUUID(), runAt = 0, maxAttempts = DEFAULT_MAX_ATTEMPTS, group = null } = options;
    checkedCount("maxAttempts", maxAttempts);
    const enqueuedAt = this.#clock.now();
    const dueAt = Math.max(enqueuedAt, Math.ceil(runAt));
    const order = this.#order++;
    const record = newRecord({ id: checkedName(id), task, group, order, enqueuedAt, dueAt, maxAttempts });
    const bytes = encodeBody(payload);
    if (!await (await this.#table()).insert(record, bytes)) throw jobExists(id);
    return jobOf<Tasks>(record) as Job<Tasks, Name>;
  }

  async get(id: string): Promise<AnyJob<Tasks> | null> {
    const table = await this.#table();
    const record = await table.get(id);
    if (record === null) return null;
    return { ...jobOf<Tasks>(record), result: await table.body(record, "result") } as AnyJob<Tasks>;
  }

  async position(id: string): Promise<number | null> {
    const table = await this.#table();
    const job = await table.get(id);
    return job?.state === "queued" ? 1 + await table.countAhead(job) : null;
  }

  async cancel(id: string): Promise<Job<Tasks> | null> {
    const next = await (await this.#table()).update(id, (record) => cancelled(record, this.#clock.now()));
    return next && jobOf(next);
  }

  async remove(id: string): Promise<boolean> {
    // Once the job is final no run can store anything for it any more.
    await this.cancel(id);
    return await (await this.#table()).erase(id);
  }

  async list({ state, limit = DEFAULT_LIST_LIMIT }: ListOptions = {}): Promise<Job<Tasks>[]> {
    const table = await this.#table();
    const records = await table.list({ state, limit: Math.min(limit, MAX_LIST_LIMIT) });
    return records.map((record) => jobOf(record));
  }

  async stats(): Promise<Record<JobState, number>> {
    return await (await this.#table()).stats();
  }

  async queueLength(): Promise<number> {
    return (await this.stats()).queued;
  }

  async *watch(id: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<Job<Tasks>> {
    for await (const record of watchJob(await this.#table(), { id, signal })) yield jobOf(record);
  }

  async waitFor(id: string, options: { signal?: AbortSignal } = {}): Promise<AnyJob<Tasks> | null> {
    for await (const job of this.watch(id, options)) {
      if (isFinal(job.state)) return await this.get(id);
    }
    options.signal?.throwIfAborted();
    return null;
  }

  listen(handlers: JobHandlers<Tasks>, options: { concurrency: number }): void {
    if (this.#runner !== null || this.#stopped !== null) {
      throw new Error(`The job queue ${this.#options.name} listens already or was stopped; open another one`);
    }
    const concurrency = checkedCount("concurrency", options.concurrency);
    const { random, retentionMs = DEFAULT_RETENTION_MS, backoff = DEFAULT_BACKOFF } = this.#options;
    this.#runner = this.#table().then((table) =>
      new JobRunner({
        table,
        clock: this.#clock,
        log: this.#options.log,
        handlers: handlers as unknown as UntypedHandlers,
        concurrency,
        retentionMs,
        backoff: { random, ...backoff },
      })
    );
    this.#runner.catch((error: unknown) => {
      this.#options.log.error("The stored jobs cannot be read: none is run", { error: messageOf(error) });
    });
  }

  stop(options: StopOptions = {}): Promise<void> {
    return this.#stopped ??= this.#runner?.then((runner) => runner.stop(options), () => {}) ??
      Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #table(): Promise<JobTable> {
    return this.#options.openTable();
  }
}

function checkedCount(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value;
  throw new RangeError(`${name} must be a whole number of at least 1: got ${value}`);
}

function jobExists(id: string): ApiError {
  return new ApiError(
    "job_exists",
    `A job with the id ${id} exists already: choose another id or remove that job`,
  );
}

/** What callers see of a record. */
function jobOf<Tasks extends TaskMap<Tasks>>(record: JobRecord): Job<Tasks> {
  const {
    version: _version,
    order: _order,
    run: _run,
    payload: _payload,
    result: _result,
    ...job
  } = record;
  return job as Job<Tasks>;
}
