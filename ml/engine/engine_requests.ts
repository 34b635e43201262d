/** The requests of an engine: each takes its turn, and ends with its caller or with the engine. */
import type { ErrorCode } from "../../contract/errors.ts";
import { ApiError } from "../../lib/errors.ts";
import {
  EngineCrashError,
  type EngineOccupancy,
  type Generation,
  type GenerationOptions,
  type GenerationRequest,
} from "./engine.ts";
import { requesterOf, RequestQueue, type RequestQueueOptions } from "./request_queue.ts";

const RETRY_AFTER_SECONDS = 5;

/** The error of an engine that has no model, or none that can be used now. */
export function modelNotLoaded(message: string, cause?: unknown): ApiError {
  return new ApiError("model_not_loaded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

/** Codes of errors that pass by themselves. */
const TEMPORARY_CODES: readonly ErrorCode[] = ["queue_full", "model_not_loaded", "ml_unavailable"];

/** Whether work that ended so can be tried again later. Not after a crash, which it may have caused. */
export function isTemporary(error: ApiError): boolean {
  return !(error instanceof EngineCrashError) && TEMPORARY_CODES.includes(error.code);
}

/** What an engine's work is given: the caller's options, with a signal that closing the engine aborts too. */
export type WorkOptions = GenerationOptions & { signal: AbortSignal };

/** See the module. */
export class EngineRequests {
  readonly #queue: RequestQueue;
  readonly #closing = new AbortController();

  constructor(options: RequestQueueOptions) {
    this.#queue = new RequestQueue(options);
  }

  get occupancy(): EngineOccupancy {
    const { running, waiting, capacity } = this.#queue;
    return { running, waiting, capacity };
  }

  /** Aborted once the engine is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** Ends what runs and what waits. */
  close(): void {
    this.#closing.abort(modelNotLoaded("The service is stopping"));
  }

  /** Generates when it is the request's turn; the wait, in milliseconds, is added to the timings. */
  async generate(
    request: GenerationRequest,
    options: GenerationOptions,
    work: (options: WorkOptions) => Promise<Generation>,
  ): Promise<Generation> {
    const signal = this.#untilClosed(options.signal);
    const arrivedAt = performance.now();
    // Held until the work has ended, so that there is never more of it than the engine can do.
    using _slot = await this.#queue.acquire(signal, requesterOf(request));
    const queueMs = Math.round((performance.now() - arrivedAt) * 10) / 10;
    const generation = await work({ ...options, signal });
    return { ...generation, timings: { ...generation.timings, queue_ms: queueMs } };
  }

  /** Does work that nobody waits for at a screen, when it is its turn. */
  async background<Result>(
    options: { signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const signal = this.#untilClosed(options.signal);
    using _slot = await this.#queue.acquire(signal, { background: true });
    return await work(signal);
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }
}
