/** Owns keeping the service's log small: launchd appends to it for ever and never starts a new one. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";

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
  const log = await ifPresent(Deno.stat(path));
  if (log === null || log.size <= maxBytes) return false;
  for (let age = keep - 1; age >= 1; age--) {
    await ifPresent(Deno.rename(`${path}.${age}`, `${path}.${age + 1}`));
  }
  await Deno.copyFile(path, `${path}.1`);
  await Deno.truncate(path);
  return true;
}
