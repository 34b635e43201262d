/** Owns reading when processes of this machine were started and what CPU time they have taken, from Linux's /proc. */

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
