/** Owns reading what processes of this machine hold in memory, from Linux's /proc. */
import { setTimeout as sleep } from "node:timers/promises";
import { statFields } from "./process_time.ts";

/** A field of a /proc file in bytes; 0 where it cannot be read. */
function readField(path: string, field: string): number {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(Deno.readTextFileSync(path));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The memory that a process has resident. */
export function rssBytes(pid: number): number {
  return readField(`/proc/${pid}/status`, "VmRSS");
}

/** The most memory a process ever had resident. */
export function peakRssBytes(pid: number): number {
  return readField(`/proc/${pid}/status`, "VmHWM");
}

/** How a process ended, and the most memory it ever had resident. */
export interface WatchedEnd {
  output: Deno.CommandOutput;
  peakBytes: number;
}

/**
 * Watches a process to its end. The kernel's figure goes with the process, so it is read again and again.
 *
 * @param options.meanwhile called at each of these moments
 */
export async function watchToEnd(
  process: Deno.ChildProcess,
  { everyMs, meanwhile = () => {} }: { everyMs: number; meanwhile?: () => void },
): Promise<WatchedEnd> {
  const output = process.output();
  const ended = output.then(() => true);
  let peakBytes = 0;
  do {
    peakBytes = Math.max(peakBytes, peakRssBytes(process.pid));
    meanwhile();
  } while (!await Promise.race([ended, sleep(everyMs, false)]));
  return { output: await output, peakBytes };
}

/** Every process's parent. */
function parents(): Map<number, number> {
  const known = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      known.set(Number(name), Number(statFields(Number(name))[1]));
    } catch {
      // The process has ended since the folder was listed.
    }
  }
  return known;
}

/** The processes that a process has started, and those that they have started. */
function descendantsOf(pid: number): number[] {
  const known = parents();
  const found = [pid];
  for (const member of found) {
    found.push(...[...known].filter(([, parent]) => parent === member).map(([child]) => child));
  }
  return found.slice(1);
}

function sharedOnceBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + readField(`/proc/${pid}/smaps_rollup`, "Pss"), 0);
}

/** What a process and all it has started hold together; memory that they share counts once, as PostgreSQL's buffers. */
export function familyBytes(pid: number): number {
  return sharedOnceBytes([pid, ...descendantsOf(pid)]);
}

/** What all that a process has started holds together, without the process itself. */
export function descendantBytes(pid: number): number {
  return sharedOnceBytes(descendantsOf(pid));
}
