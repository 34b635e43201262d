/** Runs the jobs of one queue in this process: starts what is due, a bounded number at a time, and tidies up. */
import { backoffMs } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import type { StopOptions } from "./job_queue.ts";
import { idOfKey, interrupted, isFinal, type JobRecord, requeued, started } from "./record.ts";
import { activeRuns, JobRun, type RunOptions } from "./run.ts";

const DEFAULT_DEADLINE_MS = 5_000;
/** How often interrupted and expired jobs are looked for; also the longest wait for the next due job. */
const CHECK_MS = 60_000;

export interface RunnerOptions extends Omit<RunOptions, "token" | "pause" | "resume"> {
  concurrency: number;
  /** How long finished jobs are stored. */
  retentionMs: number;
}

export class JobRunner {
  readonly #options: RunnerOptions;
  readonly #runOptions: Omit<RunOptions, "token">;
  readonly #runs = new Set<JobRun>();
  /** Pauses in a row of the tasks whose dependency is down, so that a long queue does not try it once for every job. */
  readonly #pauses = new Map<string, { count: number; until: number }>();
  #checking: Promise<void>;
  #starting: Promise<void> | null = null;
  #woken = false;
  #stopping = false;
  #cancelCheck: () => void = () => {};
  #cancelWake: () => void = () => {};
  readonly #offNotification: () => void;

  /** Queues what was running when the last process ended, then starts what is due. */
  constructor(options: RunnerOptions) {
    this.#options = options;
    const pause = (task: string, { afterMs }: { afterMs: number }) => this.#pause(task, afterMs);
    this.#runOptions = { ...options, pause, resume: (task) => this.#pauses.delete(task) };
    this.#offNotification = options.store.onNotification(() => this.wake());
    this.#checking = this.#check();
  }

  /** Starts what is due; calls while it does so are folded into one more look. */
  wake(): void {
    if (this.#stopping) return;
    this.#woken = true;
    this.#starting ??= this.#startDue();
  }

  /** See {@linkcode JobQueue.stop}. */
  async stop({ graceMs = 0, deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions): Promise<void> {
    this.#stopping = true;
    this.#offNotification();
    await this.#checking;
    await this.#starting;
    this.#cancelCheck();
    this.#cancelWake();
    await this.#drained(graceMs);
    for (const run of this.#runs) run.abort("stopping");
    await this.#drained(deadlineMs);
    await Promise.all(Array.from(this.#runs, (run) => run.end(requeued)));
  }

  async #startDue(): Promise<void> {
    const { log, concurrency, clock } = this.#options;
    try {
      while (this.#woken && !this.#stopping) {
        this.#woken = false;
        const now = clock.now();
        while (!this.#stopping && this.#runs.size < concurrency && await this.#startNext(now));
        await this.#wakeWhenDue(now);
      }
    } catch (error) {
      log.error("Starting jobs failed; the next wake tries again", { error: messageOf(error) });
    } finally {
      this.#starting = null;
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
      if (record !== null) return this.#run(record, token);
      activeRuns.delete(token);
    }
    return false;
  }

  #run(record: JobRecord, token: string): true {
    const run = new JobRun(record, { ...this.#runOptions, token });
    this.#runs.add(run);
    void run.done.then(() => {
      this.#runs.delete(run);
      this.wake();
    });
    return true;
  }

  /**
   * Sets the timer for the next due job or the end of a pause. KV's queue notifies of most due jobs as well, but not
   * beyond 30 days, nor of jobs that earlier versions stored.
   */
  async #wakeWhenDue(now: number): Promise<void> {
    const { store, clock } = this.#options;
    const ends = Array.from(this.#pauses.values(), ({ until }) => until).filter((until) => until > now);
    const dueAt = Math.min(await store.nextDueAfter(now), ...ends);
    const waitMs = Math.max(0, dueAt - clock.now());
    this.#cancelWake();
    if (waitMs < CHECK_MS && !this.#stopping) this.#cancelWake = clock.after(waitMs, () => this.wake());
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

  async #check(): Promise<void> {
    const { bodies, log, clock } = this.#options;
    try {
      await this.#requeueInterrupted();
      this.wake();
      await this.#deleteExpired();
      await bodies.removeLeftBehind();
    } catch (error) {
      log.error("Checking the stored jobs failed; the next check tries again", { error: messageOf(error) });
    }
    if (this.#stopping) return;
    this.#cancelCheck = clock.after(CHECK_MS, () => {
      this.#checking = this.#check();
    });
  }

  /** Queues the jobs that no run works on: their process ended, or the store refused their end. */
  async #requeueInterrupted(): Promise<void> {
    const { store, bodies, clock, log } = this.#options;
    for (const listed of await store.running()) {
      const id = idOfKey(listed.key);
      const next = await store.update(id, (record) => {
        const isLeft = record.state === "running" && !activeRuns.has(record.run ?? "");
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

  /** Waits until nothing runs here, but not longer than given. */
  async #drained(timeoutMs: number): Promise<void> {
    if (this.#runs.size === 0 || timeoutMs === 0) return;
    const deadline = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(timeoutMs, deadline.resolve);
    await Promise.race([Promise.all(Array.from(this.#runs, ({ done }) => done)), deadline.promise]);
    cancel();
  }
}
