/** Finds the processes of a training job by their command lines, as the system tells them. */
import { delay } from "../../../lib/backoff.ts";

/** Ids of the processes that train in a folder; Linux only. */
export async function trainingPids(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (words.split("\0").includes(folder)) pids.push(Number(name));
  }
  return pids;
}

const POLL_MS = 20;

/** Waits until no process trains in a folder any more. */
export async function untilNobodyTrains(folder: string): Promise<void> {
  while ((await trainingPids(folder)).length > 0) await delay(POLL_MS);
}
