/** Is the process of a training job: writes events as lines to stdout, and reads a cancellation from stdin. */
import process from "node:process";
import { followParent, sendToParent } from "../../process/parent.ts";
import { runTraining } from "./run_training.ts";
import type { TrainingEvent } from "../job/training_event.ts";
import type { CancelMessage } from "./training_process.ts";
import { failureOf } from "../training_error.ts";

const emit = (event: TrainingEvent) => sendToParent(event);

/**
 * Makes exceeding the file size limit fail the write, as a full disk does, instead of killing the process by a signal.
 *
 * Registered through Node's API: packages that clean up on signals raise them again when they find no other listener.
 */
function outliveFileLimit(): void {
  if (Deno.build.os !== "windows") process.on("SIGXFSZ", () => {});
}

/** Trains the job of a folder, and ends the process. */
export async function main(folder: string): Promise<void> {
  outliveFileLimit();
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
