/** Owns the work of one training job: its process followed to the end, then its adapter published. */
import type { TrainingResult } from "../../contract/ml_training.ts";
import { ApiError } from "../../lib/errors.ts";
import { PermanentJobError, RetryLaterError } from "../../lib/jobs/job_errors.ts";
import type { JobContext } from "../../lib/jobs/job_queue.ts";
import { ModelError } from "../models/model_error.ts";
import type { JobFolders } from "../training/job/job_folders.ts";
import { failureOf } from "../training/job/run_failure.ts";
import type { TrainingEvent, TrainingResult as RunResult } from "../training/job/training_event.ts";
import { startTrainingProcess } from "../training/run/training_process.ts";
import type { AdapterService } from "./adapter_service.ts";
import {
  advanced,
  NO_PROGRESS,
  PREPARING,
  publishing,
  StepPace,
  type TrainingProgress,
  wireResultOf,
} from "./training_progress.ts";
import type { StatusLogs } from "./training_status.ts";

type Context = JobContext<TrainingProgress>;

export interface TrainingWorkOptions {
  folders: JobFolders;
  adapters: Pick<AdapterService, "findByJob" | "publish">;
  logs: Pick<StatusLogs, "tell">;
}

/** Runs jobs, and knows which of them are still at work here after they were cancelled. */
export interface TrainingWork {
  run(payload: { jobId: string }, context: Context): Promise<TrainingResult>;
  /** Resolves once a job is not at work here any more. */
  settled(jobId: string): Promise<void>;
}

function logEvent(log: Context["log"], event: TrainingEvent): void {
  if (event.type === "prepared") {
    const { train, heldOut, steps, memoryBytes } = event;
    log.info("Training begins", { samples: train, heldOut, steps, memoryBytes });
  } else if (event.type === "epoch") {
    const { epoch, step, heldOutLoss } = event;
    log.info("Training measured", { epoch, step, heldOutLoss });
  } else if (event.type === "note") {
    log.info("Training notes", { code: event.code });
  }
}

/** Follows a job's process. @throws PermanentJobError with its reason; the signal's reason when that aborted */
async function train(
  folder: string,
  options: Pick<Context, "signal"> & { onEvent: (event: TrainingEvent) => void },
): Promise<RunResult> {
  const { signal, onEvent } = options;
  signal.throwIfAborted();
  const process = startTrainingProcess(folder);
  const cancel = () => process.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for await (const event of process.events) onEvent(event);
    const end = await process.end;
    // A process that was told to end may have been quicker than the word.
    signal.throwIfAborted();
    if (end.status === "completed") return end.result;
    if (end.status === "failed") throw new PermanentJobError(end.message, { code: end.code });
    const reason = end.status === "crashed" ? end.reason : "The training process was ended from outside";
    throw new PermanentJobError(reason, { code: "training_crashed" });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** What a fault of publishing means to the job. */
function publishFault(error: unknown): Error {
  if (error instanceof ApiError && error.code === "model_not_loaded") {
    return new RetryLaterError(error.code, { cause: error });
  }
  if (error instanceof ApiError) {
    return new PermanentJobError(error.message, { code: "model_changed", cause: error });
  }
  if (error instanceof ModelError) {
    return new PermanentJobError(error.message, { code: "adapter_unusable", cause: error });
  }
  const { code, message } = failureOf(error);
  return new PermanentJobError(message, { code, cause: error });
}

async function publish(result: RunResult, adapters: TrainingWorkOptions["adapters"]): Promise<string> {
  const { jobId, modelId, modelHash, adapterHash, adapterPath, heldOut, offered } = result;
  const known = adapters.findByJob(jobId);
  if (known !== undefined) return known.id;
  const draft = {
    jobId,
    baseModel: modelId,
    baseSha256: modelHash,
    sha256: adapterHash,
    baseLoss: heldOut.baseLoss,
    adapterLoss: heldOut.adapterLoss,
    offered,
  };
  return (await adapters.publish(draft, { sourcePath: adapterPath })).id;
}

/** Tells how far a job is: to the queue, which keeps the latest, and to the log, which keeps all but crowded steps. */
function createTeller(
  jobId: string,
  { context, logs }: { context: Context; logs: Pick<StatusLogs, "tell"> },
) {
  let progress = NO_PROGRESS;
  const pace = new StepPace();
  return {
    get progress() {
      return progress;
    },
    /** @param options `mayWait`: the next one will do as well when this comes soon after the last */
    tell(next: TrainingProgress, options: { mayWait?: boolean } = {}) {
      if (next === progress) return;
      progress = next;
      context.progress(next);
      if (options.mayWait && !pace.isDue) return;
      pace.told();
      void logs.tell(jobId, { job_id: jobId, status: "training", error: null, ...next });
    },
  };
}

/** Makes the work of training. */
export function createTrainingWork(options: TrainingWorkOptions): TrainingWork {
  const { folders, adapters, logs } = options;
  const running = new Map<string, Promise<unknown>>();

  async function work(jobId: string, context: Context): Promise<TrainingResult> {
    const log = context.log.child({ trainingJob: jobId });
    const teller = createTeller(jobId, { context, logs });
    teller.tell(PREPARING);
    const onEvent = (event: TrainingEvent) => {
      logEvent(log, event);
      const next = advanced(teller.progress, event);
      teller.tell(next, { mayWait: event.type === "step" });
    };
    const result = await train(folders.pathOf(jobId), { signal: context.signal, onEvent });
    teller.tell(publishing(teller.progress));
    try {
      return wireResultOf(result, await publish(result, adapters));
    } catch (error) {
      throw publishFault(error);
    }
  }

  return {
    async run({ jobId }, context) {
      const done = work(jobId, context);
      running.set(jobId, done);
      try {
        return await done;
      } finally {
        running.delete(jobId);
      }
    },

    async settled(jobId) {
      await running.get(jobId)?.catch(() => {});
    },
  };
}
