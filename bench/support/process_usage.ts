/** Reads what a process uses of memory and CPU time, from Linux's /proc. */
import { setTimeout as sleep } from "node:timers/promises";

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

/** Ticks of the times in /proc (USER_HZ on Linux). */
const MS_PER_TICK = 10;
/** Numbers of the fields of /proc/PID/stat, as `statFields` counts them. */
const FIELD = { user: 11, system: 12, childrenUser: 13, childrenSystem: 14, started: 19 };

/**
 * The fields of /proc/PID/stat from the third one on: the second, a program's name in parentheses, may hold anything.
 *
 * @throws Deno.errors.NotFound when the process has ended, and on other systems than Linux
 */
export function statFields(pid: number | "self"): string[] {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** CPU time of a process, in milliseconds. */
export function processCpuMs(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[FIELD.user]) + Number(fields[FIELD.system])) * MS_PER_TICK;
}

/** CPU time of a process and of all that it has started, in milliseconds. */
export function familyCpuMs(pid: number): number {
  return [pid, ...descendantsOf(pid)].reduce((sum, member) => sum + processCpuMs(member), 0);
}

/** When this process was started, in Unix time. */
export function processStartMs(): number {
  const uptimeMs = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]) * 1_000;
  return Date.now() - uptimeMs + Number(statFields("self")[FIELD.started]) * MS_PER_TICK;
}

/** CPU time of all children of this process that have ended, in milliseconds; null on other systems than Linux. */
export function endedChildrenCpuMs(): number | null {
  try {
    const fields = statFields("self");
    return (Number(fields[FIELD.childrenUser]) + Number(fields[FIELD.childrenSystem])) * MS_PER_TICK;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
