/** Exponential backoff with jitter, for every retry in the project. */

export interface BackoffOptions {
  /** Longest wait of the first retry. */
  baseMs: number;
  /** Longest wait of any retry. */
  capMs: number;
  /** A number in [0, 1). */
  random?: () => number;
}

/**
 * The wait before a retry: between half and all of `baseMs * 2^(attempt - 1)`, at most `capMs`.
 *
 * Half is fixed so that a retry never follows immediately; the other half is random so that the clients of a server
 * that has restarted do not all arrive together.
 *
 * @param attempt how many tries have failed, 1 or more
 */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * (options.random ?? Math.random)());
}

/** Waits, or rejects with the signal's reason as soon as it aborts. */
export function delay(durationMs: number, options: { signal?: AbortSignal } = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, durationMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
