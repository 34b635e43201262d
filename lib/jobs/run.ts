/** One run of a job: its handler at work, its progress shown on the way, and its end recorded. */
import { backoffMs, type BackoffOptions } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { encodeBody } from "./bodies.ts";
import {
  JobAbortedError,
  type JobHandler,
  PermanentJobError,
  RetryLaterError,
  type TaskShape,
} from "./job_queue.ts";
import { completed, failed, failureOf, type JobRecord, postponed, requeued, retried } from "./record.ts";
import type { JobTable } from "./job_table.ts";

/** Progress is stored at most this often. */
const PROGRESS_SPACING_MS = 500;
/** Progress shares the record's 64 KiB (ext/kv/config.rs) and is rewritten often, so it stays small. */
const PROGRESS_LIMIT_CHARS = 8 * 1024;

/** Handlers by task, without their types: the queue's interface has checked them. */
export type UntypedHandlers = Record<string, JobHandler<TaskShape & { progress: unknown }>>;

export interface RunOptions {
  handlers: UntypedHandlers;
  table: JobTable;
  clock: Clock;
  log: Logger;
  backoff: BackoffOptions;
  /** Lets a task pause whose dependency is down, and returns until when. */
  pause: (task: string, afterMs: number) => number;
  /** The dependency of a task answered. */
  resume: (task: string) => void;
}

type Change = (record: JobRecord) => JobRecord;

export class JobRun {
  /** Resolves once the handler has returned and its end is recorded. */
  readonly done: Promise<void>;
  readonly #record: JobRecord;
  readonly #options: RunOptions;
  readonly #log: Logger;
  readonly #controller = new AbortController();
  #writtenAt = -Infinity;

  constructor(record: JobRecord, options: RunOptions) {
    this.#record = record;
    this.#options = options;
    this.#log = options.log.child({ jobId: record.id, task: record.task });
    options.table.runs.set(record.run, this);
    this.done = this.#execute().catch((error: unknown) => {
      this.#log.error("The end of a job was not recorded: it runs again", { error: messageOf(error) });
    }).finally(() => options.table.runs.delete(record.run));
  }

  /** Asks the handler to end. */
  abort(why: JobAbortedError["why"]): void {
    this.#controller.abort(new JobAbortedError(why));
  }

  /** Changes the job while it is this run's; null when it was ended or taken from it before. */
  update(change: Change, result?: Uint8Array | null): Promise<JobRecord | null> {
    const { id, run } = this.#record;
    return this.#options.table.update(id, (record) => record.run === run ? change(record) : null, result);
  }

  async #execute(): Promise<void> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    let saved: JobRecord | null;
    try {
      const result = await this.#work();
      saved = await this.update((record) => completed(record, clock.now()), result);
    } catch (error) {
      saved = await this.update(this.#changeAfter(error));
    }
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
    resume(task);
    return result;
  }

  #changeAfter(error: unknown): Change {
    const { clock, backoff, pause } = this.#options;
    // What a handler throws after it was asked to end says nothing about the job.
    if (this.#controller.signal.aborted) return requeued;
    const now = clock.now();
    if (error instanceof RetryLaterError) {
      const dueAt = pause(this.#record.task, error.afterMs);
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
    table.report(id, { run, progress: JSON.parse(json) });
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
    else this.#log.warn("Job requeued", { ...fields, dueAt, stopping: this.#controller.signal.aborted });
  }
}

function encodeResult(output: unknown): Uint8Array | null {
  try {
    return encodeBody(output);
  } catch (cause) {
    throw new PermanentJobError("The handler's result is no JSON value", { code: "result_invalid", cause });
  }
}
