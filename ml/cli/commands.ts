/** The commands of ml for the person at its machine: `healthcheck`, `models …`, `training show JOB`. */
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { mlTrainingStatusSchema, trainingJobIdSchema } from "../../contract/ml_training.ts";
import type { z } from "../../deps.ts";
import { UserError } from "../../lib/errors.ts";
import { checkHealth } from "../../lib/http/healthcheck.ts";
import { readLines } from "../../lib/line_log.ts";
import { writeLine } from "../../lib/log.ts";
import { SERVICE_COMMANDS } from "../../lib/service/own_service.ts";
import { commandOf, VERSION } from "../../lib/version.ts";
import { mlService, readMlConfig } from "../config.ts";
import { JobFolders, STATUS_FILE, TRAINING_DIRECTORY } from "../training/job/job_folders.ts";
import { readCurves } from "../training/job/metrics_file.ts";
import { readResultFile } from "../training/job/training_result.ts";
import { PLOT_FILE } from "../training/plot/training_plot.ts";
import { listModels, pullModel, removeModel, verifyModel } from "./models_commands.ts";
import { trainingReport } from "./training_report.ts";

/** The exit code of a command line that cannot be understood. */
const USAGE_EXIT_CODE = 2;

/** How many existing jobs are listed when the requested one does not exist. */
const LISTED_JOBS = 10;

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const shownStatusSchema = mlTrainingStatusSchema.pick({ status: true, error: true, fix: true });

/** The last reported status of a job. */
async function lastStatus(folder: string): Promise<{ status?: string; error?: string }> {
  let last: z.infer<typeof shownStatusSchema> | undefined;
  for await (last of readLines(join(folder, STATUS_FILE), shownStatusSchema));
  const error = [last?.error, last?.fix].filter((sentence) => sentence).join(". ");
  return { status: last?.status, error: error === "" ? undefined : error };
}

async function noSuchJob(jobId: string, directory: string): Promise<UserError> {
  const known = (await new JobFolders(directory).list()).sort().slice(-LISTED_JOBS);
  const others = known.length > 0 ? `; there are: ${known.join(", ")}` : "";
  return new UserError(`There is no training job ${jobId} in ${directory}${others}`);
}

/**
 * Shows a training job, while it runs or afterwards.
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

/** The program as a service of this machine. */
function addServiceCommands(program: Command): void {
  const service = program.command("service").description(
    "ml as a service that starts with the machine or at login",
  );
  for (const [name, { help, act }] of Object.entries(SERVICE_COMMANDS)) {
    service.command(name).description(help).action(async () => writeLine(await act(mlService())));
  }
}

function addModelsCommands(program: Command): void {
  const context = () => ({ ...readMlConfig(), write: writeLine });
  const models = program.command("models").description("The model files of this machine");
  models.command("list").description("Lists the files that are here and the catalog").action(() =>
    listModels(context())
  );
  models.command("pull").argument("<name>", "an id of the catalog, or OWNER/REPOSITORY of the hub")
    .argument("[file]", "the file in that repository, FILE.gguf")
    .description("Fetches a model; what it is at first is what it has to be from then on")
    .action((name: string, file: string | undefined) => pullModel(name, file, context()));
  models.command("verify").argument("<id>", "as `list` shows it").description("Checks a file's SHA-256")
    .action((id: string) => verifyModel(id, context()));
  models.command("rm").argument("<id>", "as `list` shows it").description("Removes a file")
    .action((id: string) => removeModel(id, context()));
}

/** Runs the command that the arguments name, beside a service that may be running; exits with 2 when they name none. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const program = new Command(commandOf("ml"))
    .description("Without a command the ml service starts.")
    .version(VERSION)
    .showHelpAfterError()
    .exitOverride();
  program.command("healthcheck").description("Says whether the service of these settings answers")
    .action(async () => writeLine(await checkHealth(readMlConfig())));
  const training = program.command("training").description("Training jobs of this machine");
  training.command("show")
    .description("Shows a training job's losses, its learning rate and its result")
    .argument("<job>", "the job's id")
    .action(async (jobId: string) => {
      for (const line of await showTraining(jobId, readMlConfig())) writeLine(line);
    });
  addModelsCommands(program);
  addServiceCommands(program);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) Deno.exit(USAGE_EXIT_CODE);
  }
}
