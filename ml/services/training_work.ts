/** Does the work of one training job: follows its process to the end, then publishes its adapter. */
import type { TrainingResult } from "../../contract/training_figures.ts";
import { ApiError } from "../../lib/errors.ts";
import { type JobContext, PermanentJobError, RetryLaterError } from "../../lib/jobs/job.ts";
import { isTemporary } from "../engine/engine_requests.ts";
import { ModelError } from "../models/model_file.ts";
import type { JobFolders } from "../training/job/job_folders.ts";
import type { RunResult, TrainingEvent } from "../training/job/training_event.ts";
import { startTrainingProcess } from "../training/run/training_process.ts";
import type { AdapterService } from "./adapter_service.ts";
import {
  advanced,
  NO_PROGRESS,
  PREPARING,
  publishing,
  ReportThrottle,
  type TrainingProgress,
  wireResultOf,
} from "./training_progress.ts";
import type { StatusLogs } from "./training_status.ts";
import { failureOf } from "../training/training_error.ts";

type Context = JobContext<TrainingProgress>;

export interface TrainingWorkOptions {
  folders: JobFolders;
  adapters: Pick<AdapterService, "findByJob" | "publish">;
  logs: Pick<StatusLogs, "append">;
}

/** Runs jobs, and knows which cancelled ones still have a process. */
export interface TrainingWork {
  run(payload: { jobId: string }, context: Context): Promise<TrainingResult>;
  /** Resolves once no process works on a job any more. */
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

/** Follows a job's process. @throws PermanentJobError with its reason; the signal's reason once that aborts */
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
    // A process may have completed just before it was cancelled.
    signal.throwIfAborted();
    if (end.status === "completed") return end.result;
    if (end.status === "failed") throw new PermanentJobError(end.message, end);
    const reason = end.status === "crashed" ? end.reason : "The training process was ended from outside";
    throw new PermanentJobError(reason, { code: "training_crashed" });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Maps a publishing failure to what the job does about it. */
function publishFault(error: unknown): Error {
  if (error instanceof ApiError && isTemporary(error)) {
    return new RetryLaterError(error.code, { cause: error });
  }
  if (error instanceof ApiError) {
    return new PermanentJobError(error.message, { code: "model_changed", cause: error });
  }
  if (error instanceof ModelError) {
    return new PermanentJobError(error.message, { code: "adapter_unusable", cause: error });
  }
  const failure = failureOf(error);
  return new PermanentJobError(failure.message, { ...failure, cause: error });
}

async function publish(result: RunResult, adapters: TrainingWorkOptions["adapters"]): Promise<string> {
  const { jobId, modelId, modelHash, adapterHash, adapterPath, heldOut, offered, offerReason, probe } =
    result;
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
    offerReason,
    probe,
  };
  return (await adapters.publish(draft, { sourcePath: adapterPath })).id;
}

/** Reports a job's progress: to the queue, which stores the latest, and to the log, which skips crowded steps. */
function createReporter(
  jobId: string,
  { context, logs }: { context: Context; logs: Pick<StatusLogs, "append"> },
) {
  let progress = NO_PROGRESS;
  const throttle = new ReportThrottle();
  return {
    get progress() {
      return progress;
    },
    /** @param options `mayWait`: may be skipped when it comes soon after the last report */
    report(next: TrainingProgress, options: { mayWait?: boolean } = {}) {
      if (next === progress) return;
      progress = next;
      context.progress(next);
      if (options.mayWait && !throttle.isDue) return;
      throttle.reported();
      void logs.append(jobId, { job_id: jobId, status: "training", error: null, ...next });
    },
  };
}

/** Makes the work of training. */
export function createTrainingWork(options: TrainingWorkOptions): TrainingWork {
  const { folders, adapters, logs } = options;
  const running = new Map<string, Promise<unknown>>();

  async function work(jobId: string, context: Context): Promise<TrainingResult> {
    const log = context.log.child({ trainingJob: jobId });
    const reporter = createReporter(jobId, { context, logs });
    reporter.report(PREPARING);
    const onEvent = (event: TrainingEvent) => {
      logEvent(log, event);
      const next = advanced(reporter.progress, event);
      const mayWait = event.type === "step" || (event.type === "evaluating" && event.evaluated > 0);
      reporter.report(next, { mayWait });
    };
    const result = await train(folders.pathOf(jobId), { signal: context.signal, onEvent });
    reporter.report(publishing(reporter.progress));
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
