/** One running job's hold on its record: renewed until released, telling the handler when it is lost. */
import type { Clock } from "../clock.ts";
import { type JobAbortCause, JobAbortedError } from "./job_errors.ts";
import type { PreparedBody } from "./bodies.ts";
import type { JobLedger } from "./store.ts";
import type { ClaimedRecord, JobRecord } from "./record.ts";
import { isHeldBy, renewed } from "./transitions.ts";
import type { Logger } from "../log.ts";

/** Progress is written at most this often. */
const PROGRESS_SPACING_MS = 500;

/** Progress shares the record's 64 KiB (ext/kv/config.rs) and is rewritten often, so it stays small. */
const PROGRESS_LIMIT_CHARS = 8 * 1024;

export interface JobLeaseOptions {
  /** As it was claimed. */
  record: ClaimedRecord;
  leaseMs: number;
  ledger: JobLedger;
  clock: Clock;
  log: Logger;
}

export class JobLease {
  readonly record: ClaimedRecord;
  readonly log: Logger;
  readonly #leaseMs: number;
  readonly #ledger: JobLedger;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #renewal: Promise<void> = Promise.resolve();
  #ended = false;
  #cancelBeat: () => void = () => {};
  #cancelFlush: (() => void) | null = null;
  #progress: { value: unknown } | null = null;
  #writtenAt = -Infinity;

  constructor(options: JobLeaseOptions) {
    this.record = options.record;
    this.log = options.log;
    this.#leaseMs = options.leaseMs;
    this.#ledger = options.ledger;
    this.#clock = options.clock;
    this.#beat();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(why: JobAbortCause): void {
    this.#controller.abort(new JobAbortedError(why));
  }

  /** Has the latest progress written soon. */
  report(value: unknown): void {
    const json: string | undefined = JSON.stringify(value);
    if (json === undefined || json.length > PROGRESS_LIMIT_CHARS) {
      this.log.warn("Job progress dropped: it is no JSON value or too large", {
        limit: PROGRESS_LIMIT_CHARS,
      });
      return;
    }
    this.#progress = { value: JSON.parse(json) };
    if (this.#ended || this.#cancelFlush !== null) return;
    const waitMs = Math.max(0, this.#writtenAt + PROGRESS_SPACING_MS - this.#clock.now());
    this.#cancelFlush = this.#clock.after(waitMs, () => {
      this.#cancelFlush = null;
      this.#renew();
    });
  }

  /** Gives up the hold, leaving the record as `change` makes it; null when the hold was lost before. */
  async release(change: (record: JobRecord) => JobRecord, result?: PreparedBody): Promise<JobRecord | null> {
    this.#end();
    await this.#renewal;
    return await this.#updateHeld(change, result);
  }

  #updateHeld(change: (record: JobRecord) => JobRecord, result?: PreparedBody): Promise<JobRecord | null> {
    const progress = this.#progress;
    return this.#ledger.update(this.record.id, (record) => {
      if (!isHeldBy(record, this.record.lease.token)) return null;
      return change(progress === null ? record : { ...record, progress: progress.value });
    }, { result });
  }

  /** Renews three times within a lease, so that one slow write does not lose it. */
  #beat(): void {
    this.#cancelBeat = this.#clock.after(this.#leaseMs / 3, () => {
      this.#renew();
      this.#beat();
    });
  }

  #renew(): void {
    this.#renewal = this.#renewal.then(() => this.#renewOnce());
  }

  async #renewOnce(): Promise<void> {
    if (this.#ended) return;
    this.#writtenAt = this.#clock.now();
    try {
      const until = this.#writtenAt + this.#leaseMs;
      const kept = await this.#updateHeld((record) => renewed(record, until));
      if (kept === null && !this.#ended) await this.#lost();
    } catch (error) {
      this.log.warn("Job lease was not renewed", { error: String(error) });
    }
  }

  async #lost(): Promise<void> {
    this.#end();
    const entry = await this.#ledger.read(this.record.id);
    const runsOn = entry?.record.state === "queued" || entry?.record.state === "running";
    this.abort(runsOn ? "lease_lost" : "cancelled");
  }

  #end(): void {
    this.#ended = true;
    this.#cancelBeat();
    this.#cancelFlush?.();
  }
}
