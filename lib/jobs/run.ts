/** One run of a job: its handler at work, its progress shown on the way, and its end recorded. */
import { WakeableWait } from "../async.ts";
import { backoffMs, type BackoffOptions } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { withSpan } from "../tracing.ts";
import { encodeBody } from "./bodies.ts";
import {
  JobAbortedError,
  type JobHandler,
  PermanentJobError,
  RetryLaterError,
  type TaskShape,
} from "./job.ts";
import { completed, failed, failureOf, type JobRecord, postponed, requeued, retried } from "./record.ts";
import { type JobTable, watchJob } from "./job_table.ts";

/** Progress is stored at most this often. */
const PROGRESS_SPACING_MS = 500;
/** Progress shares the record's 64 KiB (ext/kv/config.rs) and is rewritten often, so it stays small. */
const PROGRESS_LIMIT_CHARS = 8 * 1024;

/** Until the store is asked again after it failed. */
const RETRY_MS = 1_000;

/** Handlers by task, without their types: the queue's interface has checked them. */
export type UntypedHandlers = Record<string, JobHandler<TaskShape & { progress: unknown }>>;

export interface RunOptions {
  handlers: UntypedHandlers;
  table: JobTable;
  clock: Clock;
  log: Logger;
  backoff: BackoffOptions;
  /** Lets what is like this job pause, as its dependency is down, and returns until when. */
  pause: (record: JobRecord, afterMs: number) => number;
  /** The dependency of this job answered. */
  resume: (record: JobRecord) => void;
}

type Change = (record: JobRecord) => JobRecord;

export class JobRun {
  /** Resolves once the handler has returned and its end is recorded. */
  readonly done: Promise<void>;
  readonly #record: JobRecord;
  readonly #options: RunOptions;
  readonly #log: Logger;
  readonly #controller = new AbortController();
  #progress: unknown;
  #writtenAt = -Infinity;

  constructor(record: JobRecord, options: RunOptions) {
    this.#record = record;
    this.#options = options;
    this.#log = options.log.child({ jobId: record.id, task: record.task });
    const ended = new AbortController();
    void this.#abortWhenTaken(ended.signal);
    this.done = this.#execute().catch((error: unknown) => {
      this.#log.error("The end of a job was not recorded", { error: messageOf(error) });
    }).finally(() => ended.abort());
  }

  /** Asks the handler to end. */
  abort(why: JobAbortedError["why"]): void {
    this.#controller.abort(new JobAbortedError(why));
  }

  /** Changes the job while it is this run's; null when it was ended or taken from it before. */
  update(change: Change, result?: Uint8Array | null): Promise<JobRecord | null> {
    const { id, run } = this.#record;
    const progress = this.#progress;
    return this.#options.table.update(id, (record) => {
      if (record.run !== run) return null;
      return change(progress === undefined ? record : { ...record, progress });
    }, result);
  }

  /** Asks the handler to end once the job is not this run's any more: cancelled, removed, or run by another process. */
  async #abortWhenTaken(ended: AbortSignal): Promise<void> {
    const { table, clock } = this.#options;
    const { id, run } = this.#record;
    while (!ended.aborted) {
      try {
        for await (const record of watchJob(table, { id, signal: ended })) if (record.run !== run) break;
        if (!ended.aborted) return this.abort("cancelled");
      } catch (error) {
        this.#log.debug("A running job cannot be watched for now", { error: messageOf(error) });
        await new WakeableWait(clock).wait({ timeoutMs: RETRY_MS, signal: ended });
      }
    }
  }

  /** Records the job's end, for as long as the store refuses that; its result would be lost, or run again. */
  async #end(change: Change, result?: Uint8Array | null): Promise<JobRecord | null> {
    while (true) {
      try {
        return await this.update(change, result);
      } catch (error) {
        if (this.#controller.signal.aborted) throw error;
        this.#log.error("The end of a job was not recorded; it is tried again", { error: messageOf(error) });
        const { signal } = this.#controller;
        await new WakeableWait(this.#options.clock).wait({ timeoutMs: RETRY_MS, signal });
      }
    }
  }

  async #execute(): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    let result: Uint8Array | null | undefined;
    let change: Change;
    try {
      const { id, task, attempts } = this.#record;
      const attributes = { "job.id": id, "job.attempt": attempts };
      result = await withSpan(`job.${task}`, () => this.#work(), { attributes, root: true });
      change = (record) => completed(record, clock.now());
    } catch (error) {
      change = this.#changeAfter(error);
    }
    const saved = await this.#end(change, result);
    this.#logEnd(saved, clock.now() - startedAt);
  }

  async #work(): Promise<Uint8Array | null> {
    const { handlers, table, resume } = this.#options;
    const { id, task, attempts } = this.#record;
    const handler = Object.hasOwn(handlers, task) ? handlers[task] : undefined;
    if (handler === undefined) {
      throw new PermanentJobError(`This process has no handler for the task ${task}`, {
        code: "unknown_task",
      });
    }
    const output = await handler(await table.body(this.#record, "payload"), {
      id,
      attempt: attempts,
      signal: this.#controller.signal,
      progress: (value) => this.#report(value),
      log: this.#log,
    });
    const result = encodeResult(output);
    resume(this.#record);
    return result;
  }

  #changeAfter(error: unknown): Change {
    const { clock, backoff, pause } = this.#options;
    // What a handler throws after it was asked to end says nothing about the job.
    if (this.#controller.signal.aborted) return requeued;
    const now = clock.now();
    if (error instanceof RetryLaterError) {
      const dueAt = pause(this.#record, error.afterMs);
      return (record) => postponed(record, { now, dueAt, reason: error.reason });
    }
    const failure = failureOf(error, now);
    if (error instanceof PermanentJobError) return (record) => failed(record, failure);
    return (record) => retried(record, { dueAt: now + backoffMs(record.attempts, backoff), error: failure });
  }

  /** Shows progress at once, and stores it where the last time was long enough ago. */
  #report(value: unknown): void {
    const { clock, table } = this.#options;
    const { id, run } = this.#record;
    const json: string | undefined = JSON.stringify(value);
    if (json === undefined || json.length > PROGRESS_LIMIT_CHARS) {
      const limit = PROGRESS_LIMIT_CHARS;
      return this.#log.warn("Job progress dropped: it is no JSON value or too large", { limit });
    }
    const progress = this.#progress = JSON.parse(json);
    table.report(id, { run, progress });
    if (clock.now() - this.#writtenAt < PROGRESS_SPACING_MS) return;
    this.#writtenAt = clock.now();
    this.update((record) => ({ ...record })).catch((error: unknown) => {
      this.#log.warn("Job progress was not stored", { error: messageOf(error) });
    });
  }

  #logEnd(saved: JobRecord | null, durationMs: number): void {
    if (saved === null) return this.#log.info("Job ended after it was cancelled or requeued", { durationMs });
    const { state, attempts, dueAt, waiting, error } = saved;
    const fields = { state, attempts, durationMs, code: error?.code, reason: waiting?.reason };
    if (state === "completed") this.#log.info("Job completed", fields);
    else if (state === "failed") this.#log.error("Job failed", fields);
    else this.#log.warn("Job requeued", { ...fields, dueAt, why: this.#controller.signal.reason?.why });
  }
}

function encodeResult(output: unknown): Uint8Array | null {
  try {
    return encodeBody(output);
  } catch (cause) {
    throw new PermanentJobError("The handler's result is no JSON value", { code: "result_invalid", cause });
  }
}
