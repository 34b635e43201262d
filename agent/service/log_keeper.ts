/** Owns looking after the service's log while the agent runs. */
import type { Clock } from "../../lib/clock.ts";

const LOOK_INTERVAL_MS = 60 * 60_000;

export interface LogKeeperOptions {
  clock: Clock;
  /** Puts the log aside when it has grown too large; see `rotateLog`. */
  rotate: () => Promise<unknown>;
  /** Called when that fails; it is tried again later. */
  onFailure: (error: unknown) => void;
}

/** Looks at the log now, and every hour until this is disposed. */
export function keepLogSmall({ clock, rotate, onFailure }: LogKeeperOptions): Disposable {
  let cancel = () => {};
  let isDisposed = false;

  async function look(): Promise<void> {
    await rotate().catch(onFailure);
    if (!isDisposed) cancel = clock.after(LOOK_INTERVAL_MS, () => void look());
  }

  void look();
  return {
    [Symbol.dispose]() {
      isDisposed = true;
      cancel();
    },
  };
}
