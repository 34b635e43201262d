/** Owns reading what processes of this machine hold in memory, from Linux's /proc. */

/** A field of a /proc file in bytes; 0 where it cannot be read. */
function readField(path: string, field: string): number {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(Deno.readTextFileSync(path));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The most memory a process ever had resident. */
export function peakRssBytes(pid: number): number {
  return readField(`/proc/${pid}/status`, "VmHWM");
}

function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // The second field, a program's name in parentheses, may hold anything; the parent is the second one after it.
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid) children.push(Number(name));
    } catch {
      // The process has ended since the folder was listed.
    }
  }
  return children;
}

/** What a process and its children hold together; memory that they share counts once, so PostgreSQL's buffers do too. */
export function familyBytes(pid: number): number {
  return [pid, ...childrenOf(pid)]
    .reduce((sum, member) => sum + readField(`/proc/${member}/smaps_rollup`, "Pss"), 0);
}
