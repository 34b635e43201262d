/** Rotates the service's log: launchd appends to it forever and never starts a new one. */
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { ifPresent } from "../../lib/files.ts";

export interface LogRotationOptions {
  /** A larger log is rotated. */
  maxBytes?: number;
  /** How many old logs are kept: `agent.log.1` is the newest. */
  keep?: number;
}

const DEFAULT_MAX_BYTES = 5 * 1024 * 1024;
const DEFAULT_KEEP = 3;

/** Where the service's output goes. */
export function serviceLogPath(dataDir: string): string {
  return join(dataDir, "logs", "agent.log");
}

/**
 * Rotates a log that has grown too large; the agent calls this at its start and every hour.
 *
 * The file is copied and then cut to nothing, not renamed: launchd opened it for appending and goes on writing to it.
 * A line written between the two steps is lost.
 *
 * @returns whether it was rotated
 */
export async function rotateLog(path: string, options: LogRotationOptions = {}): Promise<boolean> {
  const { maxBytes = DEFAULT_MAX_BYTES, keep = DEFAULT_KEEP } = options;
  const log = await ifPresent(Deno.stat(path));
  if (log === null || log.size <= maxBytes) return false;
  for (let age = keep - 1; age >= 1; age--) {
    await ifPresent(Deno.rename(`${path}.${age}`, `${path}.${age + 1}`));
  }
  await Deno.copyFile(path, `${path}.1`);
  await Deno.truncate(path);
  return true;
}

const LOOK_INTERVAL_MS = 60 * 60_000;

export interface LogRotationTaskOptions {
  clock: Clock;
  /** Rotates the log when it has grown too large; see `rotateLog`. */
  rotate: () => Promise<unknown>;
  /** Called when that fails; it is tried again later. */
  onFailure: (error: unknown) => void;
}

/** Looks at the log now, and every hour until this is disposed. */
export function startLogRotation({ clock, rotate, onFailure }: LogRotationTaskOptions): Disposable {
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
