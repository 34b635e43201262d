/** Runs one training job in a process of its own, as the service does, and finds such processes. */
import { writeLine } from "../../../lib/log.ts";
import { startTrainingProcess } from "../../../ml/training/run/training_process.ts";
import {
  type TrainingRequestInput,
  writeTrainingRequest,
} from "../../../ml/training/job/training_request.ts";
import type { RunResult, TrainingEvent } from "../../../ml/training/job/training_event.ts";
import { delay } from "../../../lib/backoff.ts";

/** Steps between two lines of progress. */
const PROGRESS_STEPS = 25;

function report(event: TrainingEvent): void {
  if (event.type === "epoch") {
    writeLine(`    epoch ${event.epoch}: held-out loss ${event.heldOutLoss.toFixed(3)}`);
  } else if (event.type === "step" && event.step % PROGRESS_STEPS === 0) {
    writeLine(`    step ${event.step} of ${event.steps}: ${Math.round(event.tokensPerSecond)} tokens/s`);
  } else if (event.type === "prepared") {
    const excluded = Object.entries(event.excluded).map(([reason, count]) =>
      `, ${count} left out: ${reason}`
    );
    writeLine(`    ${event.train} samples, ${event.heldOut} held out${excluded.join("")}`);
  }
}

/**
 * Trains.
 *
 * @throws Error when the job does not complete
 */
export async function runTraining(folder: string, request: TrainingRequestInput): Promise<RunResult> {
  await writeTrainingRequest(folder, request);
  // At the service's lowest priority it would wait for whatever else the machine does.
  const process = startTrainingProcess(folder, { through: [] });
  for await (const event of process.events) report(event);
  const end = await process.end;
  if (end.status === "completed") return end.result;
  const reason = end.status === "failed" ? end.message : end.status === "crashed" ? end.reason : "cancelled";
  throw new Error(`The training of ${request.jobId} did not complete: ${reason}`);
}

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

/** Waits until no process trains in a folder. */
export async function untilNoneTrains(folder: string): Promise<void> {
  while ((await trainingPids(folder)).length > 0) await delay(POLL_MS);
}
