/** Is the process of a training job: writes events as lines to stdout, and reads a cancellation from stdin. */
import process from "node:process";
import { runTraining } from "./run_training.ts";
import type { TrainingEvent } from "../job/training_event.ts";
import { CANCEL_LINE } from "./training_process.ts";
import { failureOf } from "../training_error.ts";

function emit(event: TrainingEvent): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(event)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Aborts on a cancellation; kills this process, native threads included, when its parent has gone. */
async function followParent(cancellation: AbortController): Promise<void> {
  let received = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    received += text;
    if (received.includes(CANCEL_LINE)) cancellation.abort(new DOMException("Cancelled", "AbortError"));
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

/**
 * Makes exceeding the file size limit fail the write, as a full disk does, instead of killing the process by a signal.
 *
 * Registered through Node's API: packages that clean up on signals raise them again when they find no other listener.
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
  // The reader of stdin and native libraries would otherwise hold the process.
  Deno.exit(0);
}

await main(Deno.args[0] ?? "");
