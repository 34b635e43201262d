/** Owns keeping the service's log small: launchd appends to it for ever and never starts a new one. */
import { join } from "node:path";

export interface LogRotationOptions {
  /** A log that is larger is put aside. */
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

async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

async function moveIfPresent(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Puts a log that has grown too large aside; the agent calls this at its start and now and then.
 *
 * The file is copied and then cut to nothing, not renamed: launchd opened it for appending and goes on writing to it.
 * A line written between the two steps is lost.
 *
 * @returns whether it was put aside
 */
export async function rotateLog(path: string, options: LogRotationOptions = {}): Promise<boolean> {
  const { maxBytes = DEFAULT_MAX_BYTES, keep = DEFAULT_KEEP } = options;
  if (await sizeOf(path) <= maxBytes) return false;
  for (let age = keep - 1; age >= 1; age--) await moveIfPresent(`${path}.${age}`, `${path}.${age + 1}`);
  await Deno.copyFile(path, `${path}.1`);
  await Deno.truncate(path);
  return true;
}
