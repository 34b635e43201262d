/** Assembles training: opens folders, logs, queue and work in order, and closes them in reverse. */
import { join } from "node:path";
import { JobQueue } from "../../lib/jobs/job_queue.ts";
import { KvJobTable } from "../../lib/jobs/kv_job_table.ts";
import type { Logger } from "../../lib/log.ts";
import { JobFolders, TRAINING_DIRECTORY } from "../training/job/job_folders.ts";
import type { AdapterService } from "./adapter_service.ts";
import type { ModelService } from "./model_service.ts";
import { TrainingJobs } from "./training_jobs.ts";
import { StatusLogs } from "./training_status.ts";
import type { TrainingTasks } from "./training_progress.ts";
import { createTrainingWork } from "./training_work.ts";

/** How long a training process may take to end once the service stops; its checkpoints remain. */
const STOP_DEADLINE_MS = 5_000;

export interface TrainingOptions {
  kv: Deno.Kv;
  adapters: AdapterService;
  models: ModelService;
  dataDir: string;
  /** Disk space that the samples of unfinished jobs may take; beyond it no job is queued. */
  queuedLimitBytes: number;
  /** Threads of a training process. Default: one less than the cores. */
  threads?: number;
  trainingStart: "base" | "texting";
  /** Aborts when the service begins to stop. */
  stopping: AbortSignal;
  log: Logger;
}

/** Opens training and resumes what the last process left; `stack` closes it. */
export async function openTraining(
  stack: AsyncDisposableStack,
  options: TrainingOptions,
): Promise<TrainingJobs> {
  const { kv, adapters, models, dataDir, queuedLimitBytes, threads, trainingStart, stopping, log } = options;
  const folders = new JobFolders(join(dataDir, TRAINING_DIRECTORY));
  const logs = new StatusLogs({ folders, log });
  const work = createTrainingWork({ folders, adapters, logs });
  const table = await KvJobTable.open({ kv, queue: "training", directory: join(dataDir, "jobs"), log });
  // An id is never used twice: jobs are few and their records small.
  const queue = new JobQueue<TrainingTasks>({ table, log, retentionMs: Infinity });
  const jobs = stack.use(
    new TrainingJobs({
      queue,
      work,
      folders,
      logs,
      adapters,
      models,
      queuedLimitBytes,
      threads,
      trainingStart,
      stopping,
      log,
    }),
  );
  stack.defer(() => queue.stop({ deadlineMs: STOP_DEADLINE_MS }));
  await jobs.recover();
  queue.listen({ train: work.run }, { concurrency: 1 });
  return jobs;
}
