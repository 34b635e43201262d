/** Measures what share of a job's time each of its phases takes, on 200 replies of a real person. */
import { writeLine } from "../../lib/log.ts";
import type { TrainingEvent } from "../../ml/training/job/training_event.ts";
import { writeTrainingRequest } from "../../ml/training/job/training_request.ts";
import { startTrainingProcess } from "../../ml/training/run/training_process.ts";
import { tableLines } from "../support/bench_output.ts";
import { personJob } from "./person_job.ts";

/** What a person gets without training is measured for comparison only: wanted are at most 15 %. */
const COMPARISONS = ["base", "examples"];

/** The phase that an event begins or continues; null for one that changes none. */
function phaseOf(event: TrainingEvent): string | null {
  if (event.type === "evaluating") return event.what;
  if (event.type === "step" || event.type === "epoch") return "steps";
  return event.type === "note" ? null : event.type;
}

/** Milliseconds by phase of a whole job on one thread, its process's start included. */
async function phaseTimes(): Promise<Map<string, number>> {
  const { request } = await personJob(0);
  const folder = await Deno.makeTempDir();
  try {
    await writeTrainingRequest(folder, { ...request, threads: 1 });
    const times = new Map<string, number>();
    let [phase, since] = ["start", performance.now()];
    const process = startTrainingProcess(folder, { through: [] });
    for await (const event of process.events) {
      const now = performance.now();
      times.set(phase, (times.get(phase) ?? 0) + now - since);
      [phase, since] = [phaseOf(event) ?? phase, now];
    }
    const { status } = await process.end;
    if (status !== "completed") throw new Error(`The job ended as ${status}`);
    return times;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Prints each phase's share, and that of the comparisons. */
export async function measurePhases(): Promise<void> {
  const times = await phaseTimes();
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const shareOf = (time: number) => `${(100 * time / total).toFixed(1)} %`;
  const rows = [...times].map(([phase, time]) => [phase, shareOf(time)]);
  for (const line of tableLines(["phase", "share of the job"], rows)) writeLine(line);
  const comparisons = COMPARISONS.reduce((sum, phase) => sum + (times.get(phase) ?? 0), 0);
  writeLine(`base and examples: ${shareOf(comparisons)}; wanted: at most 15 %`);
}
