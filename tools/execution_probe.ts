/**
 * Counts the calls of a program's functions in a time window: preloaded into it by `executed_files.ts`. SIGWINCH opens
 * a window, SIGUSR2 closes it and writes the files in which a function ran to the path in `PROBE_FILE`.
 */

import { Session } from "node:inspector/promises";

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly FunctionCoverage[];
}

interface FunctionCoverage {
  readonly functionName: string;
  readonly ranges: readonly { startOffset: number; count: number }[];
}

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });

async function takeCoverage(): Promise<ScriptCoverage[]> {
  // What ran since the last call; each call starts counting from nothing.
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result;
}

/** Whether it ran, and is not the module itself. */
function hasRun({ functionName, ranges: [whole] }: FunctionCoverage): boolean {
  return whole !== undefined && whole.count > 0 && (functionName !== "" || whole.startOffset > 0);
}

/** A function is known by its name and place, for many have none or share one. */
function callsOf(
  { functionName, ranges: [whole] }: FunctionCoverage,
): [name: string, place: number, calls: number] {
  return [functionName || "(anonymous)", whole?.startOffset ?? 0, whole?.count ?? 0];
}

let isOpen = false;

Deno.addSignalListener("SIGWINCH", async () => {
  isOpen = true;
  await takeCoverage();
});
Deno.addSignalListener("SIGUSR2", async () => {
  if (!isOpen) return;
  isOpen = false;
  const scripts = (await takeCoverage()).filter(({ url }) => url.startsWith("file:"));
  const executed = scripts.map(({ url, functions }) => ({
    url,
    functions: functions.filter(hasRun).map(callsOf),
  }))
    .filter(({ functions }) => functions.length > 0);
  const path = Deno.env.get("PROBE_FILE") ?? "";
  await Deno.writeTextFile(`${path}.part`, JSON.stringify(executed));
  await Deno.rename(`${path}.part`, path);
});
