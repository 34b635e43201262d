/** A bounded first-come, first-served queue in front of a fixed number of slots. */
import { ApiError } from "../../lib/errors.ts";

/** The assumed duration of a run before any has been measured. */
const FIRST_GUESS_MS = 2_000;
/** Weight of the latest run in the moving average. */
const LATEST_WEIGHT = 0.2;
const MAX_RETRY_AFTER_SECONDS = 60;

interface Waiter {
  admit: () => void;
}

export interface RequestQueueOptions {
  /** How many run at a time. */
  capacity: number;
  /** How many may wait. */
  queueLimit: number;
}

/** Lets `capacity` requests run at a time, in order of arrival. */
export class RequestQueue {
  readonly capacity: number;
  readonly #queueLimit: number;
  readonly #waiters = new Set<Waiter>();
  #running = 0;
  #meanMs = FIRST_GUESS_MS;

  constructor(options: RequestQueueOptions) {
    this.capacity = options.capacity;
    this.#queueLimit = options.queueLimit;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for a slot. Disposing the result releases it.
   *
   * @throws ApiError `queue_full` at once when too many wait; the signal's reason when it aborts first
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#running < this.capacity) this.#running++;
    else await this.#wait(signal);
    const startedAt = performance.now();
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#meanMs += LATEST_WEIGHT * (performance.now() - startedAt - this.#meanMs);
        this.#release();
      },
    };
  }

  async #wait(signal?: AbortSignal): Promise<void> {
    if (this.#waiters.size >= this.#queueLimit) throw this.#fullError();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { admit: resolve };
    const onAbort = () => {
      this.#waiters.delete(waiter);
      reject(signal?.reason);
    };
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", onAbort, { once: true });
    await promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Gives a freed slot to the request that has waited longest. */
  #release(): void {
    const [next] = this.#waiters;
    if (!next) {
      this.#running--;
      return;
    }
    this.#waiters.delete(next);
    next.admit();
  }

  #fullError(): ApiError {
    const seconds = Math.ceil(((this.#waiters.size + 1) / this.capacity) * (this.#meanMs / 1_000));
    return new ApiError("queue_full", `The model is busy: ${this.#waiters.size} requests wait already`, {
      retryAfterSeconds: Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_SECONDS),
    });
  }
}
