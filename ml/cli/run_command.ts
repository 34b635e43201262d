/** Owns the ml service's commands for the person at its machine. */
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { showTraining } from "./training_show.ts";

const USAGE = `Commands of ml:
  training show JOB    shows a training job's losses, its learning rate and its result
Without a command the service starts.`;

/**
 * Runs one command beside a service that may be running.
 *
 * @throws UserError with what is wrong, or how the commands are written
 */
export async function runCommand(args: readonly string[], options: { dataDir: string }): Promise<void> {
  const [noun, verb, jobId, ...rest] = args;
  if (noun !== "training" || verb !== "show" || jobId === undefined || rest.length > 0) {
    throw new UserError(USAGE);
  }
  for (const line of await showTraining(jobId, options)) writeLine(line);
}
