/** Runs the jobs of one queue in this process: starts what is due, a bounded number at a time, and tidies up. */
import { WakeableWait, withDeadline } from "../async.ts";
import { backoffMs } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import type { StopOptions } from "./job.ts";
import { pauseKeyOf } from "./job_table.ts";
import { interrupted, type JobRecord, requeued, started } from "./record.ts";
import { JobRun, type RunOptions } from "./run.ts";

const DEFAULT_DEADLINE_MS = 5_000;

export interface RunnerOptions extends Omit<RunOptions, "pause" | "resume"> {
  concurrency: number;
  /** How long finished jobs are stored. */
  retentionMs: number;
}

export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #runOptions: RunOptions;
  readonly #runs = new Set<JobRun>();
  /** Pauses in a row of the groups whose dependency is down, so that a long queue does not try it once for every job. */
  readonly #pauses = new Map<string, { count: number; until: number }>();
  readonly #stopping = new AbortController();
  readonly #wait: WakeableWait;
  readonly #loop: Promise<void>;

  /** Queues what was running when the last process ended, then starts what is due. */
  constructor(options: RunnerOptions) {
    this.#options = options;
    const pause = (record: JobRecord, afterMs: number) => this.#pause(pauseKeyOf(record), afterMs);
    this.#runOptions = { ...options, pause, resume: (record) => this.#pauses.delete(pauseKeyOf(record)) };
    this.#wait = new WakeableWait(options.clock);
    this.#loop = this.#runJobs();
  }

  /** See {@linkcode JobQueue.stop}. */
  async stop({ graceMs = 0, deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await withDeadline(this.#runsEnded(), graceMs);
    for (const run of this.#runs) run.abort("stopping");
    await withDeadline(this.#runsEnded(), deadlineMs);
    await Promise.all(Array.from(this.#runs, (run) => run.update({ change: requeued })));
  }

  #runsEnded(): Promise<unknown> {
    return Promise.all(Array.from(this.#runs, ({ done }) => done));
  }

  /** Checks what is stored now and then, and starts what is due after each change and when more becomes due. */
  async #runJobs(): Promise<void> {
    const { table, clock, log } = this.#options;
    const { signal } = this.#stopping;
    const stopHearing = table.onChange(() => this.#wait.wake());
    let checkAt = -Infinity;
    do {
      let nextAt = Infinity;
      try {
        if (clock.now() >= checkAt) await this.#checkJobs();
        checkAt = Math.max(checkAt, clock.now() + table.checkMs);
        nextAt = await this.#startDue();
      } catch (error) {
        log.error("Running jobs failed; the next change or check tries again", { error: messageOf(error) });
      }
      const timeoutMs = Math.min(table.checkMs, Math.max(0, nextAt - clock.now()));
      await this.#wait.wait({ timeoutMs, signal });
    } while (!signal.aborted);
    stopHearing();
  }

  /** Starts what is due while there is room. Resolves to the time of the next due job or the end of a pause. */
  async #startDue(): Promise<number> {
    const { table, concurrency, clock } = this.#options;
    while (!this.#stopping.signal.aborted && this.#runs.size < concurrency) {
      const now = clock.now();
      const pauses = Array.from(this.#pauses).filter(([_key, { until }]) => until > now);
      const next = await table.next({ now, paused: pauses.map(([key]) => key) });
      if (next === null || next.dueAt > now) {
        return Math.min(next?.dueAt ?? Infinity, ...pauses.map(([_key, { until }]) => until));
      }
      const run = `${table.process}/${crypto.randomUUID()}`;
      const record = await table.update(next.id, (record) => started(record, { run, now }));
      // Otherwise another runner or a cancellation came first.
      if (record !== null) this.#follow(new JobRun(record, this.#runOptions));
    }
    // The end of a run makes room.
    return Infinity;
  }

  #follow(run: JobRun): void {
    this.#runs.add(run);
    void run.done.then(() => {
      this.#runs.delete(run);
      this.#wait.wake();
    });
  }

  /** Pauses a group and returns until when. Jobs that fail while it is paused already join that pause. */
  #pause(key: string, afterMs: number): number {
    const now = this.#options.clock.now();
    const { count, until } = this.#pauses.get(key) ?? { count: 0, until: now };
    const isPaused = until > now;
    const backoffEnd = isPaused ? until : now + backoffMs(count + 1, this.#options.backoff);
    const pause = { count: isPaused ? count : count + 1, until: Math.max(backoffEnd, now + afterMs) };
    this.#pauses.set(key, pause);
    return pause.until;
  }

  /** Queues the jobs whose process ended; deletes expired ones. */
  async #checkJobs(): Promise<void> {
    const { table, clock, log, retentionMs } = this.#options;
    for (const { id, run } of await table.list({ state: "running" })) {
      if (run !== null && await table.isAlive(run.split("/")[0] ?? "")) continue;
      const now = clock.now();
      const next = await table.update(id, (record) => record.run === run ? interrupted(record, now) : null);
      if (next === null) continue;
      const { task, attempts, state } = next;
      log.warn("Job was interrupted", { jobId: id, task, attempts, state });
    }
    await table.expire(clock.now() - retentionMs);
  }
}
