/** Background generation: jobs that outlive the request and the process. */
import type { GenerateRequest, GenerateResult, GenerateStatusResponse } from "../../contract/ml.ts";
import { ApiError } from "../../lib/errors.ts";
import {
  type AnyJob,
  type JobContext,
  type JobQueue,
  PermanentJobError,
  RetryLaterError,
} from "../../lib/jobs/job_queue.ts";
import type { GenerationService } from "./generation_service.ts";

/** The tasks of the ml service's job queue. */
export interface MlTasks {
  generate: { payload: GenerateRequest; result: GenerateResult };
}

const RETRY_AFTER_SECONDS = 30;
/** Codes of temporary errors: the job is retried later. */
const TEMPORARY_CODES = ["queue_full", "model_not_loaded", "ml_unavailable"];

/** Makes the handler of generation jobs. */
export function createGenerateHandler(generation: GenerationService) {
  return async (request: GenerateRequest, { signal }: JobContext): Promise<GenerateResult> => {
    try {
      return await generation.generate(request, { signal });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (TEMPORARY_CODES.includes(error.code)) {
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
  /** Jobs that are being added and may not be counted yet. */
  #adding = 0;

  /** @param options.queueLimit further jobs are refused while this many wait */
  constructor(queue: JobQueue<MlTasks>, options: { queueLimit: number }) {
    this.#queue = queue;
    // A job waits for a moment even where none has to.
    this.#queueLimit = Math.max(1, options.queueLimit);
  }

  /** Queues a generation and returns its job's id. Throws ApiError `queue_full` when too many wait. */
  async enqueue(request: GenerateRequest): Promise<string> {
    this.#adding++;
    try {
      if (await this.#queue.queueLength() + this.#adding > this.#queueLimit) {
        throw new ApiError("queue_full", `${this.#queueLimit} generations are queued already`, {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        });
      }
      return (await this.#queue.enqueue("generate", request)).id;
    } finally {
      this.#adding--;
    }
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
}
