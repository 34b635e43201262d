/** A clock that tells time and sets timers, so that tests can turn it themselves. */

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/**
 * A time for a person, in the zone of this machine: `2026-11-29 23:08`.
 *
 * @param time may be written in ISO 8601
 */
export function localTimeText(time: Date | string): string {
  // Sweden writes dates in this order.
  return new Date(time).toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" });
}
