/** Owns the process of a training job: events as lines on its output, a cancellation or its parent's end on its input. */
import process from "node:process";
import { failureOf } from "../job/run_failure.ts";
import { runTraining } from "./run_training.ts";
import type { TrainingEvent } from "../job/training_event.ts";
import { CANCEL_LINE } from "./training_process.ts";

function emit(event: TrainingEvent): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(event)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Aborts when told to; ends this process at once, native threads included, when its parent has gone. */
async function followParent(cancellation: AbortController): Promise<void> {
  let said = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes(CANCEL_LINE)) cancellation.abort(new DOMException("Cancelled", "AbortError"));
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

/**
 * Makes a file beyond the process's limit a fault of its write, as a full disk is: a sentence, no death by a signal.
 *
 * The listener is Node's, since packages that clean up at signals send them again when they find no other.
 */
function outliveFileLimit(): void {
  if (Deno.build.os !== "windows") process.on("SIGXFSZ", () => {});
}

async function main(folder: string): Promise<void> {
  outliveFileLimit();
  const cancellation = new AbortController();
  void followParent(cancellation);
  const { signal } = cancellation;
  try {
    emit({ type: "completed", result: await runTraining(folder, { emit, signal }) });
  } catch (error) {
    emit(signal.aborted ? { type: "cancelled" } : { type: "failed", ...failureOf(error) });
  }
  // What still waits for input, and libraries that hold the process, are of no use any more.
  Deno.exit(0);
}

await main(Deno.args[0] ?? "");
