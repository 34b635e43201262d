/** Owns `training show JOB`: a job's folder read and shown, while it runs and long after. */
import { join } from "node:path";
import { type MlTrainingStatus, trainingJobIdSchema } from "../../contract/ml_training.ts";
import { UserError } from "../../lib/errors.ts";
import { readLines } from "../../lib/line_log.ts";
import { JobFolders, STATUS_FILE, TRAINING_DIRECTORY } from "../training/job/job_folders.ts";
import { readCurves } from "../training/job/metrics_file.ts";
import { PLOT_FILE } from "../training/plot/training_plot.ts";
import { readResultFile } from "../training/job/training_result.ts";
import { trainingReport } from "./training_report.ts";

/** So many jobs are named when the one that was asked for is not there. */
const NAMED_JOBS = 10;

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The last thing that was told of a job. */
async function lastStatus(folder: string): Promise<{ status?: string; error?: string }> {
  let last: Pick<MlTrainingStatus, "status" | "error"> | undefined;
  for await (last of readLines<MlTrainingStatus>(join(folder, STATUS_FILE)));
  return { status: last?.status, error: last?.error ?? undefined };
}

async function noSuchJob(jobId: string, directory: string): Promise<UserError> {
  const known = (await new JobFolders(directory).list()).sort().slice(-NAMED_JOBS);
  const others = known.length > 0 ? `; there are: ${known.join(", ")}` : "";
  return new UserError(`There is no training job ${jobId} in ${directory}${others}`);
}

/**
 * Shows a training job.
 *
 * @returns the lines to print
 * @throws UserError when there is no such job
 */
export async function showTraining(jobId: string, options: { dataDir: string }): Promise<string[]> {
  const directory = join(options.dataDir, TRAINING_DIRECTORY);
  if (!trainingJobIdSchema.safeParse(jobId).success) {
    throw new UserError("A training job's name has 1 to 128 letters, digits, dots, dashes and underscores");
  }
  const folder = new JobFolders(directory).pathOf(jobId);
  if (!await exists(folder)) throw await noSuchJob(jobId, directory);
  const plotPath = join(folder, PLOT_FILE);
  const result = await readResultFile(folder);
  return trainingReport({
    jobId,
    ...await lastStatus(folder),
    curves: await readCurves(folder, { examplesLoss: result?.heldOut.examplesLoss }),
    result,
    plotPath: await exists(plotPath) ? plotPath : undefined,
  });
}
