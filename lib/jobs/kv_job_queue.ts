/** The job queue on Deno KV, whose file belongs to one process at a time. */
import type { BackoffOptions } from "../backoff.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError, messageOf } from "../errors.ts";
import { lockFile } from "../files.ts";
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
import { type JobTable, openJobTable } from "./job_table.ts";
import { byStart, cancelled, checkedName, isFinal, type JobRecord, newRecord } from "./record.ts";
import type { UntypedHandlers } from "./run.ts";
import { JobRunner } from "./runner.ts";

const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;
const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, capMs: 60_000 };
const DEFAULT_MAX_ATTEMPTS = 5;
const DEFAULT_LIST_LIMIT = 100;
const MAX_LIST_LIMIT = 1_000;

export interface KvJobQueueOptions extends JobQueueOptions {
  /**
   * Opened under `lockKvFile`: what runs in no run of this process counts as interrupted. Stays open until the queue is
   * stopped, serves no other listener of its queue, and is closed by the caller.
   */
  kv: Deno.Kv;
  /** Holds large payloads and results in `<queue>/<job id>/`; such as `DATA_DIR/jobs`. */
  directory: string;
}

/**
 * Takes the lock by which a KV file, and with it its job queues, belongs to one process until that disposes the lock or
 * ends.
 *
 * @throws UserError when another process holds it
 */
export function lockKvFile(path: string): Promise<Disposable> {
  return lockFile(`${path}.lock`, {
    message: `Another process is using ${path}`,
    fix: "Stop it first, or give this one a DATA_DIR of its own",
  });
}

/** A {@linkcode JobQueue} on Deno KV. Queues of different names may share one KV and one directory. */
export class KvJobQueue<Tasks extends TaskMap<Tasks>> implements JobQueue<Tasks> {
  readonly #options: KvJobQueueOptions;
  readonly #clock: Clock;
  #runner: Promise<JobRunner> | null = null;
  #stopped: Promise<void> | null = null;
  #order = 0;

  constructor(options: KvJobQueueOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options: EnqueueOptions = {},
  ): Promise<Job<Tasks, Name>> {
    const { id = crypto.randomUUID(), runAt = 0, maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
    checkedCount("maxAttempts", maxAttempts);
    const enqueuedAt = this.#clock.now();
    const dueAt = Math.max(enqueuedAt, Math.ceil(runAt));
    const order = this.#order++;
    const record = newRecord({ id: checkedName(id), task, order, enqueuedAt, dueAt, maxAttempts });
    const bytes = encodeBody(payload);
    if (!await (await this.#table()).insert(record, bytes)) throw jobExists(id);
    return jobOf<Tasks>(record) as Job<Tasks, Name>;
  }

  async get(id: string): Promise<AnyJob<Tasks> | null> {
    const table = await this.#table();
    const record = table.get(id);
    if (record === undefined) return null;
    return { ...jobOf<Tasks>(record), result: await table.body(record, "result") } as AnyJob<Tasks>;
  }

  async position(id: string): Promise<number | null> {
    const table = await this.#table();
    const job = table.get(id);
    if (job?.state !== "queued") return null;
    return 1 + table.records().filter((other) => other.state === "queued" && byStart(other, job) < 0).length;
  }

  async cancel(id: string): Promise<Job<Tasks> | null> {
    const table = await this.#table();
    const run = table.runs.get(table.get(id)?.run ?? null);
    const next = await table.update(id, (record) => cancelled(record, this.#clock.now()));
    run?.abort("cancelled");
    return next && jobOf(next);
  }

  async remove(id: string): Promise<boolean> {
    // Once the job is final no run can store anything for it any more.
    await this.cancel(id);
    return await (await this.#table()).erase(id);
  }

  async list({ state, limit = DEFAULT_LIST_LIMIT }: ListOptions = {}): Promise<Job<Tasks>[]> {
    const records = (await this.#table()).records().filter((record) =>
      record.state === (state ?? record.state)
    );
    return records.sort(asListed).slice(0, Math.min(limit, MAX_LIST_LIMIT)).map((record) => jobOf(record));
  }

  async stats(): Promise<Record<JobState, number>> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { state } of (await this.#table()).records()) counts[state]++;
    return counts;
  }

  async queueLength(): Promise<number> {
    return (await this.stats()).queued;
  }

  async *watch(id: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<Job<Tasks>> {
    for await (const record of (await this.#table()).watch(id, options.signal)) yield jobOf(record);
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
    const { kv, name: queue, directory, log } = this.#options;
    return openJobTable({ kv, queue, directory, log });
  }
}

/** Running jobs, then queued ones in the order they start, then finished ones latest first; as a sort function has it. */
function asListed(a: JobRecord, b: JobRecord): number {
  const groupOf = ({ state }: JobRecord) => state === "running" ? 0 : state === "queued" ? 1 : 2;
  if (groupOf(a) !== groupOf(b)) return groupOf(a) - groupOf(b);
  return a.state === "queued" ? byStart(a, b) : (b.finishedAt ?? 0) - (a.finishedAt ?? 0);
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
  const { version: _version, order: _order, run: _run, payload: _payload, result: _result, ...job } = record;
  return job as Job<Tasks>;
}
