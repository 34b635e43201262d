/** The job queue on Deno KV: the ledger is the truth, KV's own queue only rings the bell. */
import type { BackoffOptions } from "../backoff.ts";
import { join } from "node:path";
import { encodeBody, JobBodies } from "./bodies.ts";
import { type Clock, systemClock } from "../clock.ts";
import { onBell } from "./notification.ts";
import { ApiError } from "../errors.ts";
import type { UntypedHandlers } from "./execution.ts";
import { JobIndex } from "./index_queries.ts";
import { JobLedger } from "./store.ts";
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
import { checkedName, isFinal, JobKeys, type JobRecord } from "./record.ts";
import { JobRunner } from "./runner.ts";
import { JobSweeper } from "./sweeper.ts";
import { cancelled, newRecord } from "./transitions.ts";
import { watchRecord } from "./watch.ts";

const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_SWEEP_MS = 15_000;
const DEFAULT_RETENTION_MS = 7 * 24 * 3_600_000;
const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, capMs: 60_000 };
const DEFAULT_MAX_ATTEMPTS = 5;
const DEFAULT_LIST_LIMIT = 100;
const MAX_LIST_LIMIT = 1_000;

export interface KvJobQueueOptions extends JobQueueOptions {
  /** Stays open until the queue is stopped; its own queue serves nothing but job queues. The caller closes it. */
  kv: Deno.Kv;
  /** Holds large payloads and results in `<queue>/<job id>/`; such as `DATA_DIR/jobs`. */
  directory: string;
}

/** A {@linkcode JobQueue} on Deno KV. Queues of different names may share one KV and one directory. */
export class KvJobQueue<Tasks extends TaskMap<Tasks>> implements JobQueue<Tasks> {
  readonly #options: KvJobQueueOptions;
  readonly #clock: Clock;
  readonly #keys: JobKeys;
  readonly #bodies: JobBodies;
  readonly #ledger: JobLedger;
  readonly #index: JobIndex;
  #listening: { runner: JobRunner; sweeper: JobSweeper; offBell: () => void } | null = null;
  #stopped: Promise<void> | null = null;
  #order = 0;

  constructor(options: KvJobQueueOptions) {
    const { kv, name, directory, log } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#keys = new JobKeys(checkedName(name));
    this.#bodies = new JobBodies({
      kv,
      keys: this.#keys,
      directory: join(directory, name),
      clock: this.#clock,
    });
    this.#ledger = new JobLedger({ kv, queue: name, keys: this.#keys, log });
    this.#index = new JobIndex(kv, this.#keys);
  }

  async enqueue<Name extends TaskName<Tasks>>(
    task: Name,
    payload: Tasks[Name]["payload"],
    options: EnqueueOptions = {},
  ): Promise<Job<Tasks, Name>> {
    const { id = crypto.randomUUID(), runAt = 0, maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
    checkedCount("maxAttempts", maxAttempts);
    const now = this.#clock.now();
    const bytes = encodeBody(payload);
    if (await this.#ledger.read(checkedName(id)) !== null) throw jobExists(id);
    const body = await this.#bodies.prepare(id, { name: "payload", bytes });
    const order = this.#order++;
    const dueAt = Math.max(now, Math.ceil(runAt));
    const record = newRecord({ id, task, order, now, dueAt, maxAttempts, payload: body.ref });
    if (!await this.#ledger.insert(record, body)) {
      await this.#bodies.discard(id, body);
      throw jobExists(id);
    }
    this.#listening?.runner.wake();
    return jobOf<Tasks>(record) as Job<Tasks, Name>;
  }

  async get(id: string): Promise<AnyJob<Tasks> | null> {
    const entry = await this.#ledger.read(id);
    if (entry === null) return null;
    const result = await this.#bodies.read(id, { name: "result", ref: entry.record.result });
    return { ...jobOf<Tasks>(entry.record), result } as AnyJob<Tasks>;
  }

  async position(id: string): Promise<number | null> {
    const record = (await this.#ledger.read(id))?.record;
    return record?.state === "queued" ? 1 + await this.#index.countBefore(record) : null;
  }

  async cancel(id: string): Promise<Job<Tasks> | null> {
    const before = (await this.#ledger.read(id))?.record;
    if (before === undefined) return null;
    if (isFinal(before.state)) return jobOf(before);
    const next = await this.#ledger.update(id, (record) => cancelled(record, this.#clock.now()));
    if (next?.state === "cancelled") {
      this.#listening?.runner.abort(id, "cancelled");
      await this.#bodies.remove(id, before.payload);
    }
    return next === null ? null : jobOf(next);
  }

  async remove(id: string): Promise<boolean> {
    // Once the job is final no run can store anything for it any more.
    await this.cancel(id);
    await this.#bodies.removeAll(id);
    return await this.#ledger.erase(id);
  }

  async list(options: ListOptions = {}): Promise<Job<Tasks>[]> {
    const limit = Math.min(options.limit ?? DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT);
    const ids = await this.#index.ids({ state: options.state, limit });
    return (await this.#ledger.readMany(ids)).map((record) => jobOf(record));
  }

  stats(): Promise<Record<JobState, number>> {
    return this.#index.count();
  }

  queueLength(): Promise<number> {
    return this.#index.countQueued();
  }

  async *watch(id: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<Job<Tasks>> {
    const { kv } = this.#options;
    const parts = { kv, keys: this.#keys, ledger: this.#ledger, clock: this.#clock, ...options };
    for await (const record of watchRecord(id, parts)) yield jobOf(record);
  }

  async waitFor(id: string, options: { signal?: AbortSignal } = {}): Promise<AnyJob<Tasks> | null> {
    for await (const job of this.watch(id, options)) {
      if (isFinal(job.state)) return await this.get(id);
    }
    options.signal?.throwIfAborted();
    return null;
  }

  listen(handlers: JobHandlers<Tasks>, options: { concurrency: number }): void {
    if (this.#listening !== null || this.#stopped !== null) {
      throw new Error(`The job queue ${this.#options.name} listens already or was stopped; open another one`);
    }
    const concurrency = checkedCount("concurrency", options.concurrency);
    const { kv, name, log, random } = this.#options;
    const { leaseMs = DEFAULT_LEASE_MS, sweepMs = DEFAULT_SWEEP_MS } = this.#options;
    const { retentionMs = DEFAULT_RETENTION_MS, backoff = DEFAULT_BACKOFF } = this.#options;
    const parts = {
      ledger: this.#ledger,
      index: this.#index,
      bodies: this.#bodies,
      clock: this.#clock,
      log,
      sweepMs,
    };
    const runner = new JobRunner({
      ...parts,
      handlers: handlers as unknown as UntypedHandlers,
      concurrency,
      leaseMs,
      backoff: { random, ...backoff },
    });
    const offBell = onBell(kv, { queue: name, log, ring: () => runner.wake() });
    this.#listening = { runner, sweeper: new JobSweeper({ ...parts, runner, retentionMs }), offBell };
  }

  stop(options: StopOptions = {}): Promise<void> {
    return this.#stopped ??= this.#stop(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(options: StopOptions): Promise<void> {
    if (this.#listening === null) return;
    const { runner, sweeper, offBell } = this.#listening;
    offBell();
    await Promise.all([sweeper.stop(), runner.stop(options)]);
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
  const { version: _version, order: _order, lease: _lease, payload: _payload, result: _result, ...job } =
    record;
  return job as Job<Tasks>;
}
