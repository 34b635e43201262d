/** Owns running one training job as the service does, in a process of its own, and telling how it goes. */
import { writeLine } from "../../../lib/log.ts";
import { startTrainingProcess } from "../../../ml/training/run/training_process.ts";
import {
  type TrainingRequestInput,
  writeTrainingRequest,
} from "../../../ml/training/job/training_request.ts";
import type { TrainingEvent, TrainingResult } from "../../../ml/training/job/training_event.ts";

/** Steps between two lines of progress. */
const PROGRESS_STEPS = 25;

function tell(event: TrainingEvent): void {
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
export async function runTraining(folder: string, request: TrainingRequestInput): Promise<TrainingResult> {
  await writeTrainingRequest(folder, request);
  // At the lowest priority, as for a person at work, it would wait for whatever else the machine does.
  const process = startTrainingProcess(folder, { through: [] });
  for await (const event of process.events) tell(event);
  const end = await process.end;
  if (end.status === "completed") return end.result;
  const reason = end.status === "failed" ? end.message : end.status === "crashed" ? end.reason : "cancelled";
  throw new Error(`The training of ${request.jobId} did not complete: ${reason}`);
}
