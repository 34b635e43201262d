/** Runs the jobs of one queue in this process: starts what is due, a bounded number at a time, and tidies up. */
import { WakeableWait, withDeadline } from "../async.ts";
import { backoffMs } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import type { StopOptions } from "./job_queue.ts";
import { idOfKey, interrupted, isFinal, type JobRecord, requeued, started } from "./record.ts";
import { activeRuns, JobRun, type RunOptions } from "./run.ts";

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
  readonly #nextStart: WakeableWait;
  readonly #loops: Promise<unknown>;

  /** Queues what was running when the last process ended, then starts what is due. */
  constructor(options: RunnerOptions) {
    this.#options = options;
    const pause = (task: string, afterMs: number) => this.#pause(task, afterMs);
    this.#runOptions = { ...options, pause, resume: (task) => this.#pauses.delete(task) };
    this.#nextStart = new WakeableWait(options.clock);
    const offNotification = options.store.onNotification(() => this.wake());
    this.#loops = Promise.all([this.#startJobs(), this.#checkJobs()]).finally(offNotification);
  }

  /** Starts what is due; calls while it does so are folded into one more look. */
  wake(): void {
    this.#nextStart.wake();
  }

  /** See {@linkcode JobQueue.stop}. */
  async stop({ graceMs = 0, deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await withDeadline(this.#runsEnded(), graceMs);
    for (const run of this.#runs) run.abort("stopping");
    await withDeadline(this.#runsEnded(), deadlineMs);
    await Promise.all(Array.from(this.#runs, (run) => run.end(requeued)));
  }

  #runsEnded(): Promise<unknown> {
    return Promise.all(Array.from(this.#runs, ({ done }) => done));
  }

  /** Starts what is due at each wake, the first of which comes from the first check, and when more becomes due. */
  async #startJobs(): Promise<void> {
    const { signal } = this.#stopping;
    let timeoutMs = Infinity;
    while (true) {
      await this.#nextStart.wait({ timeoutMs, signal });
      if (signal.aborted) return;
      timeoutMs = await this.#startDue();
    }
  }

  /**
   * Starts what is due while there is room. Resolves to the time until the next due job or the end of a pause: KV's
   * queue notifies of most due jobs as well, but not beyond 30 days, nor of jobs that earlier versions stored.
   */
  async #startDue(): Promise<number> {
    const { store, log, concurrency, clock } = this.#options;
    const now = clock.now();
    try {
      while (!this.#stopping.signal.aborted && this.#runs.size < concurrency && await this.#startNext(now));
      const pauseEnds = Array.from(this.#pauses.values(), ({ until }) => until).filter((until) =>
        until > now
      );
      const dueAt = Math.min(await store.nextDueAfter(now), ...pauseEnds);
      return Math.min(CHECK_MS, Math.max(0, dueAt - clock.now()));
    } catch (error) {
      log.error("Starting jobs failed; the next wake tries again", { error: messageOf(error) });
      return CHECK_MS;
    }
  }

  /** Starts the first job that is due and whose task is not paused; false when there is none. */
  async #startNext(now: number): Promise<boolean> {
    const { store } = this.#options;
    for await (const listed of store.due(now)) {
      if ((this.#pauses.get(listed.value.task)?.until ?? now) > now) continue;
      const token = crypto.randomUUID();
      activeRuns.set(token, null);
      const start = (record: JobRecord) => started(record, { run: token, now });
      const record = await store.update(idOfKey(listed.key), start, { listed });
      if (record !== null) {
        const run = new JobRun(record, this.#runOptions);
        this.#runs.add(run);
        void run.done.then(() => {
          this.#runs.delete(run);
          this.wake();
        });
        return true;
      }
      activeRuns.delete(token);
    }
    return false;
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

  async #checkJobs(): Promise<void> {
    const { bodies, log, clock } = this.#options;
    const { signal } = this.#stopping;
    do {
      try {
        await this.#requeueInterrupted();
        this.wake();
        await this.#deleteExpired();
        await bodies.removeLeftBehind();
      } catch (error) {
        log.error("Checking the stored jobs failed; the next check tries again", { error: messageOf(error) });
      }
      await new WakeableWait(clock).wait({ timeoutMs: CHECK_MS, signal });
    } while (!signal.aborted);
  }

  /** Queues the jobs that no run works on: their process ended, or the store refused their end. */
  async #requeueInterrupted(): Promise<void> {
    const { store, bodies, clock, log } = this.#options;
    for (const listed of await store.running()) {
      const id = idOfKey(listed.key);
      const next = await store.update(id, (record) => {
        const isLeft = record.state === "running" && !activeRuns.has(record.run);
        return isLeft ? interrupted(record, clock.now()) : null;
      }, { listed });
      if (next === null) continue;
      const { task, attempts, state } = next;
      log.warn("Job was interrupted", { jobId: id, task, attempts, state });
      if (isFinal(state)) await bodies.removeAll(id);
    }
  }

  async #deleteExpired(): Promise<void> {
    const { store, bodies, clock, retentionMs } = this.#options;
    for await (const listed of store.finishedBefore(clock.now() - retentionMs)) {
      const id = idOfKey(listed.key);
      // Files first: after a crash in between, the record still leads the next check to them.
      await bodies.removeAll(id);
      await store.erase(id, listed);
    }
  }
}
