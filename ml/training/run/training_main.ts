/** Is the process of a training job: writes events as lines to stdout, and reads a cancellation from stdin. */
import { followParent, sendToParent } from "../../process/parent.ts";
import { runTraining } from "./run_training.ts";
import type { TrainingEvent } from "../job/training_event.ts";
import type { CancelMessage } from "./training_process.ts";
import { failureOf } from "../training_error.ts";

const emit = (event: TrainingEvent) => sendToParent(event);

/** Trains the job of a folder, and ends the process. */
export async function main(folder: string): Promise<void> {
  const cancellation = new AbortController();
  void followParent<CancelMessage>(() => cancellation.abort(new DOMException("Cancelled", "AbortError")));
  const { signal } = cancellation;
  try {
    emit({ type: "completed", result: await runTraining(folder, { emit, signal }) });
  } catch (error) {
    emit(signal.aborted ? { type: "cancelled" } : { type: "failed", ...failureOf(error) });
  }
  // The reader of stdin and native libraries would otherwise hold the process.
  Deno.exit(0);
}
