/** Runs the jobs of one queue in this process: claims what is due, a bounded number at a time, and sweeps up after crashes. */
import type { BackoffOptions } from "../backoff.ts";
import type { JobBodies } from "./bodies.ts";
import type { Clock } from "../clock.ts";
import type { JobAbortCause } from "./job_errors.ts";
import { execute, type ExecutionParts, type UntypedHandlers } from "./execution.ts";
import type { JobIndex } from "./index_queries.ts";
import { JobLease } from "./lease.ts";
import type { JobLedger } from "./store.ts";
import { TaskPauses } from "./pauses.ts";
import type { StopOptions } from "./job_queue.ts";
import type { ClaimedRecord } from "./record.ts";
import { claimed, handedBack } from "./transitions.ts";
import type { Logger } from "../log.ts";

const DEFAULT_DEADLINE_MS = 5_000;

export interface RunnerOptions {
  handlers: UntypedHandlers;
  concurrency: number;
  ledger: JobLedger;
  index: JobIndex;
  bodies: JobBodies;
  clock: Clock;
  log: Logger;
  leaseMs: number;
  /** Jobs that become due later than this are left to the sweep. */
  sweepMs: number;
  backoff: BackoffOptions;
}

export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #parts: ExecutionParts;
  readonly #pauses: TaskPauses;
  /** By token. A handler that outlives its lease keeps its slot until it returns. */
  readonly #running = new Map<string, { lease: JobLease; done: Promise<void> }>();
  #claiming: Promise<void> | null = null;
  #woken = false;
  #stopping = false;
  #cancelWake: () => void = () => {};

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#pauses = new TaskPauses(options.backoff);
    this.#parts = { ...options, pauses: this.#pauses };
  }

  /** Looks for work soon; calls while it looks are folded into one more look. */
  wake(): void {
    if (this.#stopping) return;
    this.#woken = true;
    this.#claiming ??= this.#claim();
  }

  holds(token: string): boolean {
    return this.#running.has(token);
  }

  /** Tells the handler of a job, if it runs here, to end. */
  abort(id: string, why: JobAbortCause): void {
    for (const { lease } of this.#running.values()) {
      if (lease.record.id === id) lease.abort(why);
    }
  }

  /** See {@linkcode JobQueue.stop}. */
  async stop({ graceMs = 0, deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions): Promise<void> {
    this.#stopping = true;
    this.#cancelWake();
    await this.#claiming;
    await this.#drained(graceMs);
    for (const { lease } of this.#running.values()) lease.abort("stopping");
    await this.#drained(deadlineMs);
    await Promise.all(Array.from(this.#running.values(), ({ lease }) => lease.release(handedBack)));
  }

  async #claim(): Promise<void> {
    const { log } = this.#options;
    try {
      while (this.#woken && !this.#stopping) {
        this.#woken = false;
        await this.#fillSlots();
      }
    } catch (error) {
      log.error("Looking for jobs failed; the next sweep tries again", { error: String(error) });
    } finally {
      this.#claiming = null;
    }
  }

  async #fillSlots(): Promise<void> {
    const { clock, concurrency } = this.#options;
    while (!this.#stopping && this.#running.size < concurrency) {
      const now = clock.now();
      const record = await this.#claimNext(now);
      if (record === null) return await this.#wakeWhenDue(now);
      this.#start(record);
    }
  }

  /** Takes the first job that is due and whose task is not paused. */
  async #claimNext(now: number): Promise<ClaimedRecord | null> {
    const { index, ledger, leaseMs } = this.#options;
    const paused = this.#pauses.at(now);
    for await (const listed of index.due(now)) {
      if (paused.has(listed.value.task)) continue;
      const entry = await ledger.readListed(listed, now);
      if (entry?.record.state !== "queued") continue;
      const next = claimed(entry.record, { token: crypto.randomUUID(), now, until: now + leaseMs });
      if (await ledger.replace(entry, { next })) return next;
    }
    return null;
  }

  async #wakeWhenDue(now: number): Promise<void> {
    const { index, clock, sweepMs } = this.#options;
    const dueAt = Math.min(await index.nextDueAfter(now) ?? Infinity, this.#pauses.nextEndAfter(now));
    const waitMs = Math.max(0, dueAt - clock.now());
    this.#cancelWake();
    if (waitMs < sweepMs && !this.#stopping) this.#cancelWake = clock.after(waitMs, () => this.wake());
  }

  #start(record: ClaimedRecord): void {
    const { ledger, clock, leaseMs } = this.#options;
    const { token } = record.lease;
    const log = this.#options.log.child({ jobId: record.id, task: record.task });
    const lease = new JobLease({ record, leaseMs, ledger, clock, log });
    const done = execute(lease, this.#parts)
      .catch((error: unknown) =>
        log.error("Job's end was not recorded; it runs again", { error: String(error) })
      )
      .finally(() => {
        this.#running.delete(token);
        this.wake();
      });
    this.#running.set(token, { lease, done });
  }

  /** Waits until nothing runs here, but not longer than given. */
  async #drained(timeoutMs: number): Promise<void> {
    if (this.#running.size === 0 || timeoutMs === 0) return;
    const deadline = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(timeoutMs, deadline.resolve);
    await Promise.race([
      Promise.all(Array.from(this.#running.values(), ({ done }) => done)),
      deadline.promise,
    ]);
    cancel();
  }
}
