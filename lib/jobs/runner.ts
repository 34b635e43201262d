/** Runs the jobs of one queue in this process: starts what is due, a bounded number at a time, and tidies up. */
import { WakeableWait, withDeadline } from "../async.ts";
import { backoffMs } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import type { StopOptions } from "./job_queue.ts";
import { byStart, interrupted, type JobRecord, requeued, started } from "./record.ts";
import { JobRun, type RunOptions } from "./run.ts";

const DEFAULT_DEADLINE_MS = 5_000;
/** How often interrupted and expired jobs are looked for; also the longest wait for the next due job. */
const CHECK_MS = 60_000;

export interface RunnerOptions extends Omit<RunOptions, "pause" | "resume"> {
  concurrency: number;
  /** How long finished jobs are stored. */
  retentionMs: number;
}

export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #runOptions: RunOptions;
  readonly #runs = new Set<JobRun>();
  /** Pauses in a row of the tasks whose dependency is down, so that a long queue does not try it once for every job. */
  readonly #pauses = new Map<string, { count: number; until: number }>();
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;

  /** Queues what was running when the last process ended, then starts what is due. */
  constructor(options: RunnerOptions) {
    this.#options = options;
    const pause = (task: string, afterMs: number) => this.#pause(task, afterMs);
    this.#runOptions = { ...options, pause, resume: (task) => this.#pauses.delete(task) };
    this.#loop = this.#runJobs();
  }

  /** See {@linkcode JobQueue.stop}. */
  async stop({ graceMs = 0, deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await withDeadline(this.#runsEnded(), graceMs);
    for (const run of this.#runs) run.abort("stopping");
    await withDeadline(this.#runsEnded(), deadlineMs);
    await Promise.all(Array.from(this.#runs, (run) => run.update(requeued)));
  }

  #runsEnded(): Promise<unknown> {
    return Promise.all(Array.from(this.#runs, ({ done }) => done));
  }

  /** Checks what is stored now and then, and starts what is due after each change and when more becomes due. */
  async #runJobs(): Promise<void> {
    const { table, clock, log } = this.#options;
    const { signal } = this.#stopping;
    const wait = new WakeableWait(clock);
    let checkAt = -Infinity;
    do {
      void table.changes.next.then(() => wait.wake());
      let timeoutMs = CHECK_MS;
      try {
        if (clock.now() >= checkAt) await this.#checkJobs();
        checkAt = Math.max(checkAt, clock.now() + CHECK_MS);
        timeoutMs = Math.min(CHECK_MS, await this.#startDue());
      } catch (error) {
        log.error("Running jobs failed; the next change or check tries again", { error: messageOf(error) });
      }
      await wait.wait({ timeoutMs, signal });
    } while (!signal.aborted);
  }

  /** Starts what is due while there is room. Resolves to the time until the next due job or the end of a pause. */
  async #startDue(): Promise<number> {
    const { table, concurrency, clock } = this.#options;
    const now = clock.now();
    while (!this.#stopping.signal.aborted && this.#runs.size < concurrency) {
      const next = this.#nextDue(now);
      if (next === undefined) break;
      await this.#start(next.id, now);
    }
    const dueTimes = table.records().filter(({ state }) => state === "queued").map(({ dueAt }) => dueAt);
    const pauseEnds = Array.from(this.#pauses.values(), ({ until }) => until);
    const later = [...dueTimes, ...pauseEnds].filter((time) => time > now);
    return later.reduce((first, time) => Math.min(first, time), Infinity) - now;
  }

  #nextDue(now: number): JobRecord | undefined {
    const isDue = ({ state, dueAt, task }: JobRecord) =>
      state === "queued" && dueAt <= now && (this.#pauses.get(task)?.until ?? now) <= now;
    const due = this.#options.table.records().filter(isDue);
    return due.reduce<JobRecord | undefined>(
      (first, job) => first === undefined || byStart(job, first) < 0 ? job : first,
      undefined,
    );
  }

  /** Starts a job, unless another runner of this process or a cancellation came first. */
  async #start(id: string, now: number): Promise<void> {
    const { table } = this.#options;
    const token = crypto.randomUUID();
    table.runs.set(token, null);
    try {
      const record = await table.update(id, (record) => started(record, { run: token, now }));
      if (record === null) return;
      const run = new JobRun(record, this.#runOptions);
      this.#runs.add(run);
      void run.done.then(() => {
        this.#runs.delete(run);
        table.changes.notify();
      });
    } finally {
      if (table.runs.get(token) === null) table.runs.delete(token);
    }
  }

  /** Pauses a task and returns until when. Jobs that fail while it is paused already join that pause. */
  #pause(task: string, afterMs: number): number {
    const now = this.#options.clock.now();
    const { count, until } = this.#pauses.get(task) ?? { count: 0, until: now };
    const isPaused = until > now;
    const backoffEnd = isPaused ? until : now + backoffMs(count + 1, this.#options.backoff);
    const pause = { count: isPaused ? count : count + 1, until: Math.max(backoffEnd, now + afterMs) };
    this.#pauses.set(task, pause);
    return pause.until;
  }

  /** Queues the jobs that no run works on, as their process ended or the store refused their end; deletes expired ones. */
  async #checkJobs(): Promise<void> {
    const { table, clock, log, retentionMs } = this.#options;
    const isLeft = ({ state, run }: JobRecord) => state === "running" && !table.runs.has(run);
    for (const { id } of table.records().filter(isLeft)) {
      const next = await table.update(
        id,
        (record) => isLeft(record) ? interrupted(record, clock.now()) : null,
      );
      if (next === null) continue;
      const { task, attempts, state } = next;
      log.warn("Job was interrupted", { jobId: id, task, attempts, state });
    }
    for (const id of table.expiredBefore(clock.now() - retentionMs)) await table.erase(id);
  }
}
