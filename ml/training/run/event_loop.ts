/** Owns the pauses of long loops, in which a cancellation can arrive. */

const PAUSE_EVERY_MS = 50;

/** @returns a function to call once a turn; it throws the signal's reason once the signal has aborted */
export function breathing(signal: AbortSignal): () => Promise<void> {
  let pausedAt = performance.now();
  return async () => {
    signal.throwIfAborted();
    if (performance.now() - pausedAt < PAUSE_EVERY_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    pausedAt = performance.now();
    signal.throwIfAborted();
  };
}
