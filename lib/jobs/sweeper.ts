/** Looks over a queue's ledger at intervals: dead leases, jobs no bell rang for, expired records, files left behind. */
import type { JobBodies } from "./bodies.ts";
import type { Clock } from "../clock.ts";
import type { JobIndex } from "./index_queries.ts";
import type { JobLedger } from "./store.ts";
import { idOfKey, isFinal } from "./record.ts";
import type { JobRunner } from "./runner.ts";
import { isHeldBy, leaseExpired } from "./transitions.ts";
import type { Logger } from "../log.ts";

/** At most this many expired jobs are deleted in one sweep. */
const EXPIRY_BATCH = 100;

export interface SweeperOptions {
  ledger: JobLedger;
  index: JobIndex;
  bodies: JobBodies;
  runner: JobRunner;
  clock: Clock;
  log: Logger;
  sweepMs: number;
  retentionMs: number;
}

export class JobSweeper {
  readonly #options: SweeperOptions;
  #sweeping: Promise<void>;
  #stopped = false;
  #cancelNext: () => void = () => {};

  /** Sweeps at once, then at intervals. */
  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#sweeping = this.#sweep();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelNext();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { runner, bodies, clock, log, sweepMs } = this.#options;
    try {
      await this.#requeueDead();
      runner.wake();
      await this.#deleteExpired();
      await bodies.sweep();
    } catch (error) {
      log.error("Sweeping the job ledger failed; the next sweep tries again", { error: String(error) });
    }
    if (this.#stopped) return;
    this.#cancelNext = clock.after(sweepMs, () => {
      this.#sweeping = this.#sweep();
    });
  }

  async #requeueDead(): Promise<void> {
    const { index, ledger, bodies, runner, clock, log } = this.#options;
    const now = clock.now();
    for (const listed of await index.running()) {
      const entry = await ledger.readListed(listed, now);
      const lease = entry?.record.lease;
      // A machine that slept finds its own leases expired, and its handlers still at work.
      if (!entry || !lease || lease.until > now || runner.holds(lease.token)) continue;
      const { id, payload } = entry.record;
      const next = await ledger.update(id, (record) => {
        const dead = isHeldBy(record, lease.token) && (record.lease?.until ?? now) <= now;
        return dead ? leaseExpired(record, now) : null;
      });
      if (next === null) continue;
      log.warn("Job taken from a process that is gone", {
        jobId: id,
        task: next.task,
        attempts: next.attempts,
      });
      if (isFinal(next.state)) await bodies.remove(id, payload);
    }
  }

  async #deleteExpired(): Promise<void> {
    const { index, ledger, bodies, clock, retentionMs } = this.#options;
    for (const listed of await index.finishedBefore(clock.now() - retentionMs, EXPIRY_BATCH)) {
      const id = idOfKey(listed.key);
      // Files first: after a crash in between, the record still leads the next sweep to them.
      await bodies.removeAll(id);
      await ledger.erase(id, listed);
    }
  }
}
