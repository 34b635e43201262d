/** Owns reading what CPU time processes of this machine have taken, from Linux's /proc. */

/** Ticks of the times in /proc (USER_HZ on Linux). */
const MS_PER_TICK = 10;
/** Fields of /proc/self/stat after the program's name: user and system time of children that have ended. */
const CHILDREN = { user: 13, system: 14 };

/** CPU time of all children of this process that have ended, in milliseconds; null on other systems than Linux. */
export function endedChildrenCpuMs(): number | null {
  try {
    const stat = Deno.readTextFileSync("/proc/self/stat");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[CHILDREN.user]) + Number(fields[CHILDREN.system])) * MS_PER_TICK;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
