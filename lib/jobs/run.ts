/** One run of a job: its handler at work, its progress stored on the way, and its end recorded. */
import { WakeableWait } from "../async.ts";
import { backoffMs, type BackoffOptions } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { withSpan } from "../tracing.ts";
import { JobAbortedError, PermanentJobError, RetryLaterError, type UntypedHandlers } from "./job.ts";
import { encodeBody, type JobTable, readBody, watchJob } from "./job_table.ts";
import { ended, failed, failureOf, type JobRecord, postponed, refOf, requeued, retried } from "./record.ts";

/** Progress is stored at most this often. */
const PROGRESS_SPACING_MS = 500;
/** Progress shares the record's 64 KiB (ext/kv/config.rs) and is rewritten often, so it stays small. */
const PROGRESS_LIMIT_CHARS = 8 * 1024;
/** Until the store is asked again after it failed. */
const RETRY_MS = 1_000;

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

/** How a job goes on after a run, with its result where it completed. */
interface RunEnd {
  change: (record: JobRecord) => JobRecord;
  result?: string | null;
}

export class JobRun {
  /** Resolves once the handler has returned and its end is recorded. */
  readonly done: Promise<void>;
  readonly #record: JobRecord;
  readonly #options: RunOptions;
  readonly #log: Logger;
  readonly #asked = new AbortController();
  #progress: unknown;
  #progressStoredAt = -Infinity;
  #cancelStoring: (() => void) | null = null;

  constructor(record: JobRecord, options: RunOptions) {
    this.#record = record;
    this.#options = options;
    this.#log = options.log.child({ jobId: record.id, task: record.task });
    this.done = this.#execute().catch((error: unknown) => {
      this.#log.error("The end of a job was not recorded", { error: messageOf(error) });
    });
  }

  /** Asks the handler to end. */
  abort(why: JobAbortedError["why"]): void {
    this.#asked.abort(new JobAbortedError(why));
  }

  /** Changes the job while it is this run's; null when it was ended or taken from it before. */
  update({ change, result }: RunEnd): Promise<JobRecord | null> {
    const { id, run } = this.#record;
    const progress = this.#progress;
    return this.#options.table.update(id, (record) => {
      if (record.run !== run) return null;
      return change(progress === undefined ? record : { ...record, progress });
    }, result);
  }

  async #execute(): Promise<void> {
    const { clock } = this.#options;
    const { id, task, attempts } = this.#record;
    const startedAt = clock.now();
    const atWork = new AbortController();
    void this.#abortWhenTaken(atWork.signal);
    const attributes = { "job.id": id, "job.attempt": attempts };
    const end = await withSpan(`job.${task}`, () => this.#work(), { attributes, root: true })
      .catch((error: unknown): RunEnd => ({ change: this.#changeAfter(error) }));
    atWork.abort();
    this.#cancelStoring?.();
    // For as long as the store refuses that: the result would be lost, or the job run again.
    const saved = await this.#repeat(() => this.update(end), this.#asked.signal);
    this.#logEnd(saved, clock.now() - startedAt);
  }

  /** Asks the handler to end once the job is not this run's any more: cancelled, removed, or run by another process. */
  async #abortWhenTaken(atWork: AbortSignal): Promise<void> {
    const { id, run } = this.#record;
    const watch = async () => {
      for await (const record of watchJob(this.#options.table, { id, signal: atWork })) {
        if (record.run !== run) return;
      }
    };
    await this.#repeat(watch, atWork).catch(() => {});
    if (!atWork.aborted) this.abort("cancelled");
  }

  /** Does what needs the store, again where that fails, until the signal aborts. @throws what failed last */
  async #repeat<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    while (true) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw error;
        this.#log.warn("The store of a running job failed; it is asked again", { error: messageOf(error) });
        await new WakeableWait(this.#options.clock).wait({ timeoutMs: RETRY_MS, signal });
      }
    }
  }

  async #work(): Promise<RunEnd> {
    const { handlers, table, clock, resume } = this.#options;
    const { id, task, attempts } = this.#record;
    const handler = Object.hasOwn(handlers, task) ? handlers[task] : undefined;
    if (handler === undefined) {
      const message = `This process has no handler for the task ${task}`;
      throw new PermanentJobError(message, { code: "unknown_task" });
    }
    const output = await handler(await readBody(table, { record: this.#record, name: "payload" }), {
      id,
      attempt: attempts,
      signal: this.#asked.signal,
      progress: (value) => this.#report(value),
      log: this.#log,
    });
    let result: string | null;
    try {
      result = encodeBody(output);
    } catch (cause) {
      throw new PermanentJobError("The handler's result is no JSON value", { code: "result_invalid", cause });
    }
    resume(this.#record);
    const completion = { state: "completed", error: null, result: refOf(result) } as const;
    return { result, change: (record) => ended(record, { ...completion, finishedAt: clock.now() }) };
  }

  #changeAfter(error: unknown): RunEnd["change"] {
    const { clock, backoff, pause } = this.#options;
    // What a handler throws after it was asked to end says nothing about the job.
    if (this.#asked.signal.aborted) return requeued;
    const now = clock.now();
    if (error instanceof RetryLaterError) {
      const dueAt = pause(this.#record, error.afterMs);
      return (record) => postponed(record, { now, dueAt, reason: error.reason });
    }
    const failure = failureOf(error, now);
    if (error instanceof PermanentJobError) return (record) => failed(record, failure);
    return (record) => retried(record, { dueAt: now + backoffMs(record.attempts, backoff), error: failure });
  }

  /** Has the latest progress stored, at once where the last time was long enough ago. */
  #report(value: unknown): void {
    const { clock } = this.#options;
    const json: string | undefined = JSON.stringify(value);
    if (json === undefined || json.length > PROGRESS_LIMIT_CHARS) {
      const limit = PROGRESS_LIMIT_CHARS;
      return this.#log.warn("Job progress dropped: it is no JSON value or too large", { limit });
    }
    this.#progress = JSON.parse(json);
    const delayMs = Math.max(0, this.#progressStoredAt + PROGRESS_SPACING_MS - clock.now());
    this.#cancelStoring ??= clock.after(delayMs, () => this.#storeProgress());
  }

  #storeProgress(): void {
    this.#cancelStoring = null;
    this.#progressStoredAt = this.#options.clock.now();
    this.update({ change: (record) => record }).catch((error: unknown) => {
      this.#log.warn("Job progress was not stored", { error: messageOf(error) });
    });
  }

  #logEnd(saved: JobRecord | null, durationMs: number): void {
    if (saved === null) return this.#log.info("Job ended after it was cancelled or requeued", { durationMs });
    const { state, attempts, dueAt, waiting, error } = saved;
    const fields = { state, attempts, durationMs, code: error?.code, reason: waiting?.reason };
    if (state === "completed") this.#log.info("Job completed", fields);
    else if (state === "failed") this.#log.error("Job failed", fields);
    else this.#log.warn("Job requeued", { ...fields, dueAt, why: this.#asked.signal.reason?.why });
  }
}
