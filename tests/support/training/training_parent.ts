/**
 * A process that starts a training job and waits for it, to be killed by a test. It prints a line for each step; a
 * shell around the job writes a file when the job has ended.
 */
import { startTrainingProcess } from "../../../ml/training/run/training_process.ts";

const [folder = "", endedPath = ""] = Deno.args;
const process = startTrainingProcess(folder, {
  // The shell would report a killed job on this process's closed pipe and die of it.
  through: ["sh", "-c", 'exec 2>/dev/null; ended=$1; shift; "$@"; echo > "$ended"', "sh", endedPath],
});
for await (const event of process.events) {
  if (event.type === "step") await Deno.stdout.write(new TextEncoder().encode("step\n"));
}
await process.end;
