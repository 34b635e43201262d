/** One run of a job: its handler at work, its progress written on the way, and its end recorded. */
import { SerialExecutor } from "../async.ts";
import { backoffMs, type BackoffOptions } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { encodeBody, type JobBodies, type PreparedBody } from "./bodies.ts";
import {
  JobAbortedError,
  type JobHandler,
  PermanentJobError,
  RetryLaterError,
  type TaskShape,
} from "./job_queue.ts";
import {
  completed,
  failed,
  failureOf,
  isFinal,
  type JobRecord,
  postponed,
  requeued,
  retried,
} from "./record.ts";
import type { JobStore } from "./store.ts";

/** Progress is written at most this often. */
const PROGRESS_SPACING_MS = 500;
/** Progress shares the record's 64 KiB (ext/kv/config.rs) and is rewritten often, so it stays small. */
const PROGRESS_LIMIT_CHARS = 8 * 1024;

/** Handlers by task, without their types: the queue's interface has checked them. */
export type UntypedHandlers = Record<string, JobHandler<TaskShape & { progress: unknown }>>;

export interface RunOptions {
  handlers: UntypedHandlers;
  store: JobStore;
  bodies: JobBodies;
  clock: Clock;
  log: Logger;
  backoff: BackoffOptions;
  /** Lets a task pause whose dependency is down, and returns until when. */
  pause: (task: string, afterMs: number) => number;
  /** The dependency of a task answered. */
  resume: (task: string) => void;
}

type Change = (record: JobRecord) => JobRecord;

/** The runs of this process by token, null while they start: a job that runs under another was left by one that ended. */
export const activeRuns = new Map<JobRecord["run"], JobRun | null>();

export class JobRun {
  /** Resolves once the handler has returned and its end is recorded. */
  readonly done: Promise<void>;
  readonly #record: JobRecord;
  readonly #options: RunOptions;
  readonly #log: Logger;
  readonly #controller = new AbortController();
  readonly #writes = new SerialExecutor();
  #progress: { value: unknown } | null = null;
  #writtenAt = -Infinity;
  #cancelWrite: (() => void) | null = null;
  #ended = false;

  constructor(record: JobRecord, options: RunOptions) {
    this.#record = record;
    this.#options = options;
    this.#log = options.log.child({ jobId: record.id, task: record.task });
    activeRuns.set(record.run, this);
    this.done = this.#execute().catch((error: unknown) => {
      this.#log.error("The end of a job was not recorded: it runs again", { error: messageOf(error) });
    }).finally(() => activeRuns.delete(record.run));
  }

  /** Asks the handler to end. */
  abort(why: JobAbortedError["why"]): void {
    this.#controller.abort(new JobAbortedError(why));
  }

  /** Ends the run, leaving the job as `change` makes it; null when the job was ended or taken from it before. */
  async end(change: Change, result?: PreparedBody): Promise<JobRecord | null> {
    this.#ended = true;
    this.#cancelWrite?.();
    await this.#writes.idle();
    return await this.#update(change, result);
  }

  async #execute(): Promise<void> {
    const { bodies, clock } = this.#options;
    const startedAt = clock.now();
    let result: PreparedBody | undefined;
    let change: Change;
    try {
      const { ref } = result = await this.#work();
      change = (record) => completed(record, { now: clock.now(), result: ref });
    } catch (error) {
      change = this.#changeAfter(error);
    }
    const saved = await this.end(change, result);
    if (saved === null && result !== undefined) await bodies.remove(this.#record.id, result.ref);
    if (saved !== null && isFinal(saved.state)) await bodies.remove(this.#record.id, this.#record.payload);
    this.#logEnd(saved, clock.now() - startedAt);
  }

  async #work(): Promise<PreparedBody> {
    const { handlers, bodies, resume } = this.#options;
    const { id, task, attempts, payload } = this.#record;
    const handler = Object.hasOwn(handlers, task) ? handlers[task] : undefined;
    if (handler === undefined) {
      throw new PermanentJobError(`This process has no handler for the task ${task}`, {
        code: "unknown_task",
      });
    }
    const input = await bodies.read(id, { name: "payload", ref: payload });
    const output = await handler(input, {
      id,
      attempt: attempts,
      signal: this.#controller.signal,
      progress: (value) => this.#report(value),
      log: this.#log,
    });
    const result = await bodies.prepare(id, { name: "result", bytes: encodeResult(output) });
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

  /** Changes the record while it is this run's, with the latest progress. */
  #update(change: Change, result?: PreparedBody): Promise<JobRecord | null> {
    const progress = this.#progress;
    return this.#options.store.update(this.#record.id, (record) => {
      if (record.run !== this.#record.run) return null;
      return change(progress === null ? record : { ...record, progress: progress.value });
    }, { result });
  }

  /** Has the latest progress written soon. */
  #report(value: unknown): void {
    const { clock } = this.#options;
    const json: string | undefined = JSON.stringify(value);
    if (json === undefined || json.length > PROGRESS_LIMIT_CHARS) {
      const limit = PROGRESS_LIMIT_CHARS;
      return this.#log.warn("Job progress dropped: it is no JSON value or too large", { limit });
    }
    this.#progress = { value: JSON.parse(json) };
    if (this.#ended || this.#cancelWrite !== null) return;
    const waitMs = Math.max(0, this.#writtenAt + PROGRESS_SPACING_MS - clock.now());
    this.#cancelWrite = clock.after(waitMs, () => {
      this.#cancelWrite = null;
      this.#writtenAt = clock.now();
      void this.#writes.run(() => this.#update((record) => record)).catch((error: unknown) => {
        this.#log.warn("Job progress was not written", { error: messageOf(error) });
      });
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
