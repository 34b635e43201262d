/** Owns waiting for a time or for something to happen, whichever comes first. */
import type { Clock } from "../../lib/clock.ts";

export interface BellWait {
  /** `Infinity` waits for the bell alone. */
  timeoutMs: number;
  /** Whether a ring ends the wait; asked at each one. */
  isOver: () => boolean;
  signal: AbortSignal;
}

/** Rings that come while nobody waits are heard at the next wait. */
export class Bell {
  readonly #clock: Clock;
  #rung = false;
  #listener: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#rung = true;
    this.#listener?.();
  }

  /** Resolves at the time, at a ring that ends the wait, or when the signal aborts. */
  async wait({ timeoutMs, isOver, signal }: BellWait): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancelTimer = timeoutMs === Infinity ? () => {} : this.#clock.after(timeoutMs, resolve);
    this.#listener = () => {
      if (!this.#rung) return;
      this.#rung = false;
      if (isOver()) resolve();
    };
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) resolve();
    this.#listener();
    await promise;
    cancelTimer();
    signal.removeEventListener("abort", onAbort);
    this.#listener = null;
  }
}
