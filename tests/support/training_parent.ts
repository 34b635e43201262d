/** A process that starts a training job and waits for it, to be killed by a test; it prints the job's process id. */
import { startTrainingProcess } from "../../ml/training/run/training_process.ts";

const process = startTrainingProcess(Deno.args[0] ?? "");
for await (const event of process.events) {
  if (event.type === "step") await Deno.stdout.write(new TextEncoder().encode(`${process.pid}\n`));
}
await process.end;
