/** Starts, queues, shows, follows and cancels training jobs, and cleans up when they end. */
import type { MlStartTrainingRequest, MlTrainingStatus } from "../../contract/ml_training.ts";
import { SerialExecutor } from "../../lib/async.ts";
import { ApiError, logFieldsOfError, messageOf, UserError } from "../../lib/errors.ts";
import type { JobQueue } from "../../lib/jobs/job_queue.ts";
import type { NumberedLine } from "../../lib/line_log.ts";
import type { Logger } from "../../lib/log.ts";
import type { JobFolders } from "../training/job/job_folders.ts";
import { type TrainingRequestInput, writeTrainingRequest } from "../training/job/training_request.ts";
import type { AdapterService } from "./adapter_service.ts";
import type { ModelService } from "./model_service.ts";
import { checkTrainingRequest, hasTextingShape, processRequestOf } from "./training_request.ts";
import { hasEnded, queueIdOf, type StatusLogs, statusOf } from "./training_status.ts";
import type { TrainingTasks } from "./training_progress.ts";
import type { TrainingWork } from "./training_work.ts";
import { failureOf } from "../training/training_error.ts";

const MAX_QUEUED_JOBS = 100;
const RETRY_AFTER_SECONDS = 600;
/** How often a job may start again because the service itself ended; a crash of its own process fails it. */
const MAX_ATTEMPTS = 5;

export interface TrainingJobsOptions {
  queue: JobQueue<TrainingTasks>;
  work: Pick<TrainingWork, "settled">;
  folders: JobFolders;
  logs: StatusLogs;
  adapters: Pick<AdapterService, "checkRoom" | "findByJob" | "remove" | "texting">;
  models: Pick<ModelService, "list" | "servedFile">;
  /** Disk space that the samples of unfinished jobs may take; beyond it no job is queued. */
  queuedLimitBytes: number;
  /** Threads of a training process. Default: one less than the cores. */
  threads?: number;
  /** What a training starts from, where the texting adapter fits. */
  trainingStart: "base" | "texting";
  /** Aborts when the service begins to stop: event streams end then. */
  stopping: AbortSignal;
  log: Logger;
}

function endedAlready(status: string): ApiError {
  return new ApiError("conflict", `The training job has ended already: it is ${status}`);
}

function queueFull(message: string): ApiError {
  return new ApiError("queue_full", message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** Training jobs by the ids that their callers chose. */
export class TrainingJobs implements AsyncDisposable {
  readonly #options: TrainingJobsOptions;
  readonly #closing = new AbortController();
  readonly #cancellations = new SerialExecutor();
  /** Clean-ups that wait for their job to end. */
  readonly #followed = new Set<Promise<void>>();

  constructor(options: TrainingJobsOptions) {
    this.#options = options;
  }

  /**
   * Queues a job; it is durable once this resolves.
   *
   * @throws ApiError `job_exists` for an id that was ever used; `validation_failed` for what cannot be trained;
   * `conflict` when adapters take all their disk space; `queue_full`, `model_not_loaded`, `not_implemented`
   */
  async start(request: MlStartTrainingRequest): Promise<MlTrainingStatus> {
    const { folders, adapters, models, queue, logs, threads } = this.#options;
    const { job_id: jobId } = request;
    adapters.checkRoom();
    if (await queue.queueLength() >= MAX_QUEUED_JOBS) {
      throw queueFull(`${MAX_QUEUED_JOBS} training jobs wait already`);
    }
    const { path: modelPath, sha256: modelHash } = await checkTrainingRequest(request, models);
    if (!await folders.claim(jobId)) {
      throw new ApiError("job_exists", `The job id ${jobId} has been used already: choose another one`);
    }
    logs.open(jobId);
    try {
      const textingAdapter = await this.#textingFor(request);
      const processRequest = processRequestOf(request, { modelPath, modelHash, threads, textingAdapter });
      await writeTrainingRequest(folders.pathOf(jobId), processRequest);
      await this.#checkSpace(jobId);
      const options = { id: queueIdOf(jobId), maxAttempts: MAX_ATTEMPTS };
      await logs.append(jobId, { job_id: jobId, status: "queued", progress: 0, error: null });
      await queue.enqueue("train", { jobId }, options);
    } catch (error) {
      logs.close(jobId);
      await folders.remove(jobId);
      throw startFault(error);
    }
    this.#follow(jobId);
    return await this.status(jobId);
  }

  /** Throws ApiError `not_found`. */
  async status(jobId: string): Promise<MlTrainingStatus> {
    const status = await this.#find(jobId);
    if (status === undefined) throw new ApiError("not_found", `There is no training job ${jobId}`);
    return status;
  }

  /** Ends a job; its process ends within a step. Throws ApiError `not_found`, and `conflict` when it has ended. */
  cancel(jobId: string): Promise<MlTrainingStatus> {
    // In turn: of several at once the first one ends the job, and the others find it ended.
    return this.#cancellations.run(async () => {
      const before = await this.status(jobId);
      if (hasEnded(before.status)) throw endedAlready(before.status);
      await this.#options.queue.cancel(queueIdOf(jobId));
      const after = await this.status(jobId);
      if (after.status !== "cancelled") throw endedAlready(after.status);
      return after;
    });
  }

  /**
   * A job's statuses after number `after`, then live ones; the last one is terminal.
   *
   * @throws ApiError `not_found`
   */
  async events(
    jobId: string,
    options: { after: number; signal: AbortSignal },
  ): Promise<AsyncGenerator<NumberedLine<MlTrainingStatus>>> {
    await this.status(jobId);
    return this.#read(jobId, options);
  }

  /** Resumes or cleans up what the last process left. Call it before the queue starts. */
  async recover(): Promise<void> {
    const { folders, log } = this.#options;
    for (const jobId of await folders.list()) {
      await this.#recoverJob(jobId).catch((error) => {
        log.error("a training job cannot be recovered; the others are not concerned", {
          trainingJob: jobId,
          ...logFieldsOfError(error),
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#followed);
  }

  async #recoverJob(jobId: string): Promise<void> {
    const { folders } = this.#options;
    if (await this.#find(jobId) !== undefined) {
      if (!await folders.isTidy(jobId)) this.#follow(jobId);
      return;
    }
    // It was never queued, or the job store was lost: remove its messages and keep its figures.
    if (await folders.hasFigures(jobId)) await folders.tidy(jobId);
    else await folders.remove(jobId);
  }

  /** The texting adapter as a job's control, and as its start; undefined where it does not fit. Pairs start at the model. */
  async #textingFor(request: MlStartTrainingRequest): Promise<TrainingRequestInput["textingAdapter"]> {
    const { adapters, trainingStart } = this.#options;
    const texting = hasTextingShape(request) ? await adapters.texting() : undefined;
    const start = trainingStart === "texting" && request.method !== "dpo";
    return texting && { path: texting.path, start };
  }

  /** Refuses to queue a job whose samples exceed the space left. A job that need not wait is always accepted. */
  async #checkSpace(jobId: string): Promise<void> {
    const { folders, queuedLimitBytes } = this.#options;
    const others = (await folders.list()).filter((other) => other !== jobId);
    const sizes = await Promise.all(others.map((other) => folders.messageBytes(other)));
    const before = sizes.reduce((sum, size) => sum + size, 0);
    if (before === 0 || before + await folders.messageBytes(jobId) <= queuedLimitBytes) return;
    throw queueFull(
      "The training jobs that have not ended keep as many samples on the disk as TRAINING_QUEUE_LIMIT_MB allows: " +
        "wait until one has ended",
    );
  }

  async #find(jobId: string): Promise<MlTrainingStatus | undefined> {
    const { queue } = this.#options;
    const id = queueIdOf(jobId);
    const job = await queue.get(id);
    return job === null ? undefined : statusOf(job, { jobId, position: await queue.position(id) });
  }

  async *#read(
    jobId: string,
    options: { after: number; signal: AbortSignal },
  ): AsyncGenerator<NumberedLine<MlTrainingStatus>> {
    const signal = AbortSignal.any([options.signal, this.#options.stopping]);
    let last: NumberedLine<MlTrainingStatus> | undefined;
    for await (last of this.#options.logs.any(jobId).read({ signal })) {
      if (last.number > options.after) yield last;
    }
    if (signal.aborted || (last !== undefined && hasEnded(last.value.status))) return;
    // A full disk or a crash may have kept the final status out of the log.
    yield { number: (last?.number ?? 0) + 1, value: await this.status(jobId) };
  }

  #follow(jobId: string): void {
    const { log, logs } = this.#options;
    logs.open(jobId);
    const done = this.#tidyAtEnd(jobId).catch((error) => {
      if (this.#closing.signal.aborted) return;
      log.error(
        "a training job's folder was not cleaned up; the next start does it",
        logFieldsOfError(error),
      );
    }).finally(() => this.#followed.delete(done));
    this.#followed.add(done);
  }

  /** Waits until a job ends, by its work, a cancellation or the queue, and cleans up after it. */
  async #tidyAtEnd(jobId: string): Promise<void> {
    const { queue, work, folders, logs, adapters } = this.#options;
    await queue.waitFor(queueIdOf(jobId), { signal: this.#closing.signal });
    await work.settled(jobId);
    const status = await this.#find(jobId);
    // A job cancelled at the last moment may already have published its adapter.
    const adapter = status?.status === "completed" ? undefined : adapters.findByJob(jobId);
    if (adapter !== undefined) await adapters.remove(adapter.id);
    await folders.tidy(jobId);
    // Appended last: a reader who sees the end finds everything cleaned up.
    if (status !== undefined) await logs.append(jobId, status);
    logs.close(jobId);
  }
}

/** Names a full disk to the caller; any other fault is only logged. */
function startFault(error: unknown): unknown {
  const { code, message, fix } = failureOf(error);
  if (code !== "disk_full") return error;
  return new ApiError("internal", messageOf(new UserError(message, { fix })), { cause: error });
}
