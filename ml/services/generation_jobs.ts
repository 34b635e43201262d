/** Background generation: jobs that outlive the request and the process. */
import type { GenerateRequest, GenerateResult, GenerateStatusResponse } from "../../contract/ml.ts";
import { SerialExecutor } from "../../lib/async.ts";
import { ApiError } from "../../lib/errors.ts";
import { type AnyJob, type JobContext, PermanentJobError, RetryLaterError } from "../../lib/jobs/job.ts";
import type { JobQueue } from "../../lib/jobs/job_queue.ts";
import { EngineCrashError } from "../engine/engine.ts";
import { isTemporary } from "../engine/engine_requests.ts";
import type { GenerationService } from "./generation_service.ts";

/** The tasks of the ml service's job queue. */
export interface MlTasks {
  generate: { payload: GenerateRequest; result: GenerateResult };
}

const RETRY_AFTER_SECONDS = 30;
/** How many queued jobs are looked at to count an account's: the most that the queue lists. */
const MAX_COUNTED = 1_000;

/** Makes the handler of generation jobs. */
export function createGenerateHandler(generation: GenerationService) {
  return async (request: GenerateRequest, { signal }: JobContext): Promise<GenerateResult> => {
    try {
      return await generation.generate({ ...request, background: true }, { signal });
    } catch (error) {
      // A crash spends an attempt: a request that causes it must not do so for good.
      if (!(error instanceof ApiError) || error instanceof EngineCrashError) throw error;
      if (isTemporary(error)) {
        throw new RetryLaterError(error.code, {
          afterMs: (error.retryAfterSeconds ?? 1) * 1_000,
          cause: error,
        });
      }
      throw new PermanentJobError(error.message, { code: error.code, cause: error });
    }
  };
}

function timeOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}

function statusOf(job: AnyJob<MlTasks>, position: number | null): GenerateStatusResponse {
  return {
    job_id: job.id,
    status: job.state,
    result: job.result ?? null,
    error: job.state === "failed" ? job.error?.message ?? "It failed" : null,
    created_at: new Date(job.enqueuedAt).toISOString(),
    completed_at: timeOf(job.finishedAt),
    position: position === null ? null : position - 1,
  };
}

/** Generations on the job queue. */
export class GenerationJobs {
  readonly #queue: JobQueue<MlTasks>;
  readonly #queueLimit: number;
  /** Each one is counted before the next one is added. */
  readonly #additions = new SerialExecutor();

  /**
   * @param options.queueLimit further jobs are refused while this many wait; an account's are once as many of its own wait
   * as there are places left, so that one account alone fills half of them
   */
  constructor(queue: JobQueue<MlTasks>, options: { queueLimit: number }) {
    this.#queue = queue;
    // A job waits for a moment even where none has to.
    this.#queueLimit = Math.max(1, options.queueLimit);
  }

  /** Queues a generation. Throws ApiError `queue_full` when too many wait. */
  async enqueue(request: GenerateRequest): Promise<GenerateStatusResponse> {
    const { account_id: group } = request;
    const { id } = await this.#additions.run(async () => {
      await this.#checkRoom(group);
      return await this.#queue.enqueue("generate", request, { group });
    });
    return await this.status(id);
  }

  /** Throws ApiError `not_found`. */
  async status(jobId: string): Promise<GenerateStatusResponse> {
    const job = await this.#queue.get(jobId);
    if (job === null) throw new ApiError("not_found", `There is no generation job ${jobId}`);
    return statusOf(job, await this.#queue.position(jobId));
  }

  /** Cancels an unfinished job; a finished one is left unchanged. Throws ApiError `not_found`. */
  async cancel(jobId: string): Promise<GenerateStatusResponse> {
    await this.#queue.cancel(jobId);
    return await this.status(jobId);
  }

  async #checkRoom(account: string | undefined): Promise<void> {
    const left = this.#queueLimit - await this.#queue.queueLength();
    const refuse = (message: string) => {
      throw new ApiError("queue_full", message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    };
    if (left <= 0) refuse(`${this.#queueLimit} generations are queued already`);
    if (account === undefined) return;
    const queued = await this.#queue.list({ state: "queued", limit: MAX_COUNTED });
    const own = queued.filter(({ group }) => group === account).length;
    if (own >= left) refuse(`${own} generations of this account are queued already`);
  }
}
