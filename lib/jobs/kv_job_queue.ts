/** The job queue on Deno KV: a record for each job is the truth, KV's own queue only wakes the runner. */
import { join } from "node:path";
import type { BackoffOptions } from "../backoff.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ApiError } from "../errors.ts";
import { lockFile } from "../files.ts";
import { encodeBody, JobBodies } from "./bodies.ts";
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
import { cancelled, checkedName, idOfKey, isFinal, type JobRecord, newRecord } from "./record.ts";
import { activeRuns, type UntypedHandlers } from "./run.ts";
import { JobRunner } from "./runner.ts";
import { JobStore } from "./store.ts";

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
  readonly #store: JobStore;
  readonly #bodies: JobBodies;
  #runner: JobRunner | null = null;
  #stopped: Promise<void> | null = null;
  #order = 0;

  constructor(options: KvJobQueueOptions) {
    const { kv, name: queue, directory, log } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#store = new JobStore({ kv, queue, clock: this.#clock, log });
    this.#bodies = new JobBodies({ kv, keys: this.#store.keys, directory: join(directory, queue) });
  }

  async enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options: EnqueueOptions = {},
  ): Promise<Job<Tasks, Name>> {
    const { id = crypto.randomUUID(), runAt = 0, maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
    checkedCount("maxAttempts", maxAttempts);
    const enqueuedAt = this.#clock.now();
    const bytes = encodeBody(payload);
    if (await this.#store.read(checkedName(id)) !== null) throw jobExists(id);
    const body = await this.#bodies.prepare(id, { name: "payload", bytes });
    const order = this.#order++;
    const dueAt = Math.max(enqueuedAt, Math.ceil(runAt));
    const record = newRecord({ id, task, order, enqueuedAt, dueAt, maxAttempts, payload: body.ref });
    if (!await this.#store.insert(record, body)) {
      await this.#bodies.remove(id, body.ref);
      throw jobExists(id);
    }
    this.#runner?.wake();
    return jobOf<Tasks>(record) as Job<Tasks, Name>;
  }

  async get(id: string): Promise<AnyJob<Tasks> | null> {
    const record = await this.#store.read(id);
    if (record === null) return null;
    const result = await this.#bodies.read(id, { name: "result", ref: record.result });
    return { ...jobOf<Tasks>(record), result } as AnyJob<Tasks>;
  }

  async position(id: string): Promise<number | null> {
    const record = await this.#store.read(id);
    return record?.state === "queued" ? 1 + await this.#store.countQueued(record) : null;
  }

  async cancel(id: string): Promise<Job<Tasks> | null> {
    let before: JobRecord | undefined;
    const next = await this.#store.update(id, (record) => cancelled(before = record, this.#clock.now()));
    if (next === null || before === undefined) return null;
    activeRuns.get(before.run)?.abort("cancelled");
    await this.#bodies.remove(id, before.payload);
    return jobOf(next);
  }

  async remove(id: string): Promise<boolean> {
    // Once the job is final no run can store anything for it any more.
    await this.cancel(id);
    await this.#bodies.removeAll(id);
    return await this.#store.erase(id);
  }

  async list({ state, limit = DEFAULT_LIST_LIMIT }: ListOptions = {}): Promise<Job<Tasks>[]> {
    const ids: string[] = [];
    for await (const { key, value } of this.#store.all()) {
      if (ids.length === Math.min(limit, MAX_LIST_LIMIT)) break;
      if (state === undefined || value.state === state) ids.push(idOfKey(key));
    }
    const records = await Promise.all(ids.map((id) => this.#store.read(id)));
    return records.filter((record) => record !== null).map((record) => jobOf(record));
  }

  async stats(): Promise<Record<JobState, number>> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for await (const { value } of this.#store.all()) counts[value.state]++;
    return counts;
  }

  queueLength(): Promise<number> {
    return this.#store.countQueued();
  }

  async *watch(id: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<Job<Tasks>> {
    for await (const record of this.#store.watch(id, options.signal)) yield jobOf(record);
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
    const { log, random, retentionMs = DEFAULT_RETENTION_MS, backoff = DEFAULT_BACKOFF } = this.#options;
    this.#runner = new JobRunner({
      store: this.#store,
      bodies: this.#bodies,
      clock: this.#clock,
      log,
      handlers: handlers as unknown as UntypedHandlers,
      concurrency,
      retentionMs,
      backoff: { random, ...backoff },
    });
  }

  stop(options: StopOptions = {}): Promise<void> {
    return this.#stopped ??= this.#runner?.stop(options) ?? Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
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
  const { version: _version, order: _order, run: _run, payload: _payload, result: _result, ...job } = record;
  return job as Job<Tasks>;
}
