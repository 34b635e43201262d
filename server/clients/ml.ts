/** Calls the ml service, and translates its failures for the server's own clients. */
import { errorBodySchema, type ErrorCode } from "../../contract/errors.ts";
import {
  type AdapterInfo,
  adapterInfoSchema,
  type GenerateInput,
  type GenerateResult,
  generateResultSchema,
  type HealthResponse,
  healthResponseSchema,
} from "../../contract/ml.ts";
import {
  type MlStartTrainingRequest,
  type MlTrainingStatus,
  mlTrainingStatusSchema,
} from "../../contract/ml_training.ts";
import { ML_PATHS, pathOf } from "../../contract/paths.ts";
import { z } from "../../deps.ts";
import {
  type Client,
  createClient,
  RemoteError,
  type StreamEvent,
  UnreachableError,
} from "../../lib/http/client.ts";
import { ApiError, invalidRequest } from "../../lib/errors.ts";
import { traceMethods } from "../../lib/tracing.ts";

/** A draft waits for the drafts before it, and a large model on a small machine takes minutes. */
const GENERATE_TIMEOUT_MS = 10 * 60_000;
/** Starting carries every sample, and ml checks them all before it answers. */
const START_TRAINING_TIMEOUT_MS = 120_000;
const STATUS_TIMEOUT_MS = 10_000;
const HEALTH_TIMEOUT_MS = 2_000;
/** ml reads the file before it gives it. */
const COPY_TIMEOUT_MS = 60_000;
/** The file is sent, and ml may be busy when it is to be proven. */
const RESTORE_TIMEOUT_MS = 15 * 60_000;
/** When to try again, where ml itself did not say. */
const RETRY_AFTER_SECONDS = 10;

/** Codes of ml that the server's own client gets unchanged. */
const PASSED_CODES: ReadonlySet<ErrorCode> = new Set([
  "model_not_loaded",
  "queue_full",
  "not_implemented",
  "conflict",
  "job_exists",
  "adapter_damaged",
  "adapter_unproven",
  "not_found",
  "validation_failed",
  "payload_too_large",
]);

export interface MlClient {
  health(): Promise<HealthResponse>;
  /** @param options.onPiece asks for the reply as it is written, and is given each further piece */
  generate(
    input: GenerateInput,
    options: { signal?: AbortSignal; onPiece?: (text: string) => void },
  ): Promise<GenerateResult>;
  startTraining(request: MlStartTrainingRequest): Promise<MlTrainingStatus>;
  trainingStatus(jobId: string): Promise<MlTrainingStatus>;
  cancelTraining(jobId: string): Promise<MlTrainingStatus>;
  /** Events of a job after `lastEventId`, or from its start, then live ones until the job or the connection ends. */
  trainingEvents(
    jobId: string,
    options: { signal?: AbortSignal; lastEventId?: string },
  ): AsyncGenerator<StreamEvent<MlTrainingStatus>>;
  /** Makes ml stop serving the adapter. @throws ApiError `not_found` when ml has no such adapter */
  taintAdapter(adapterId: string): Promise<void>;
  /** @throws ApiError `not_found` when ml has no such adapter */
  deleteAdapter(adapterId: string): Promise<void>;
  /**
   * An adapter with its file, as {@linkcode MlClient.restoreAdapter} takes it: its manifest as one line of JSON, then the file.
   *
   * @throws ApiError `not_found`; `adapter_damaged` when its file is not the one that was trained; `conflict` when it is tainted
   */
  copyAdapter(adapterId: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Has ml take an adapter in; one that it has stays as it is. @throws ApiError when ml refuses it */
  restoreAdapter(adapterId: string, copy: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<AdapterInfo>;
  /** Deletes cached replies by a glob over their keys. */
  clearCache(pattern: string): Promise<void>;
}

export interface MlClientOptions {
  baseUrl: string;
  token: string | null;
}

/** Statuses with which ml refuses every request for now, from this server or from anyone. */
const UNAVAILABLE_STATUSES: ReadonlySet<number> = new Set([401, 403, 429, 503]);
const NOT_IMPLEMENTED = 501;

/** True when a call failed whatever its request: ml is unreachable, busy, or has another token. */
export function isMlUnavailable(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  const { cause } = error;
  return cause instanceof UnreachableError ||
    (cause instanceof RemoteError && UNAVAILABLE_STATUSES.has(cause.statusCode));
}

/** True when ml refused what was asked: the same will be refused again. */
export function isRefusedByMl(error: unknown): boolean {
  if (!(error instanceof ApiError) || !(error.cause instanceof RemoteError)) return false;
  const { statusCode } = error.cause;
  return !isMlUnavailable(error) && (statusCode < 500 || statusCode === NOT_IMPLEMENTED);
}

/** What a failed call of ml means to the server's client. Errors of other origin are returned as they are. */
export function apiErrorOfMl(error: unknown): unknown {
  if (error instanceof UnreachableError) {
    return new ApiError("ml_unavailable", "The ml service cannot be reached; try again later", {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      cause: error,
    });
  }
  if (!(error instanceof RemoteError)) return error;
  const { code, message } = error.body;
  if (PASSED_CODES.has(code)) {
    const waits = error.statusCode === 503;
    return new ApiError(code, message, {
      retryAfterSeconds: waits ? (error.retryAfterMs ?? RETRY_AFTER_SECONDS * 1_000) / 1_000 : undefined,
      details: error.body.details,
      cause: error,
    });
  }
  const why = code === "unauthorized" || code === "forbidden"
    ? "refused the server's ML_TOKEN: set the same one on both"
    : "failed; its log says why";
  return new ApiError("ml_unavailable", `The ml service ${why}`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause: error,
  });
}

/** Fields of a training request under the names that the server's own clients know. */
const SERVER_FIELDS: Readonly<Record<string, string>> = {
  base_model: "baseModel",
  batch_size: "batchSize",
  learning_rate: "learningRate",
  samples: "sampleIds",
};

/** A fault that ml found in a training request, with the field names of the request that the server received. */
function inServerFields(error: unknown): unknown {
  if (!(error instanceof ApiError) || error.details === undefined) return error;
  const details = error.details.map(({ path, message }) => ({
    path: path.replace(/^\w+/, (name) => SERVER_FIELDS[name] ?? name),
    message,
  }));
  return invalidRequest(details, { cause: error });
}

const pieceSchema = z.object({ text: z.string() });
/** The data of a stream's events `token`, `done` and `error`. */
const generationEventSchema = z.union([generateResultSchema, errorBodySchema, pieceSchema]);

/** Has a reply written as a stream, which the client's leaving ends at the next token. */
async function generateAsStream(
  client: Client,
  input: GenerateInput,
  { signal, onPiece }: { signal?: AbortSignal; onPiece: (text: string) => void },
): Promise<GenerateResult> {
  const events = client.events(ML_PATHS.generate, {
    schema: generationEventSchema,
    body: input,
    signal,
    timeoutMs: GENERATE_TIMEOUT_MS,
  });
  for await (const { data } of events) {
    if ("text" in data) onPiece(data.text);
    else if ("response" in data) return data;
    else throw new RemoteError(data, null);
  }
  throw new UnreachableError("The ml service ended the reply in the middle");
}

/**
 * Makes the client of one ml service.
 *
 * Its calls are spans. They throw ApiErrors, or the signal's reason when that aborts first.
 */
export function createMlClient(options: MlClientOptions): MlClient {
  const client = createClient({ baseUrl: options.baseUrl, token: () => options.token, retries: 0 });
  const request: typeof client.request = (method, path, call) =>
    client.request(method, path, call).catch((error) => {
      throw apiErrorOfMl(error);
    });
  const order = async (method: "POST" | "DELETE", path: string) => {
    await request(method, path, { schema: z.unknown(), timeoutMs: STATUS_TIMEOUT_MS });
  };
  const training = { schema: mlTrainingStatusSchema, timeoutMs: STATUS_TIMEOUT_MS };

  return traceMethods<MlClient>("ml", {
    health: () =>
      request("GET", ML_PATHS.health, { schema: healthResponseSchema, timeoutMs: HEALTH_TIMEOUT_MS }),
    generate: (input, { signal, onPiece }) =>
      onPiece === undefined
        ? request("POST", ML_PATHS.generate, {
          schema: generateResultSchema,
          body: input,
          signal,
          timeoutMs: GENERATE_TIMEOUT_MS,
        })
        : generateAsStream(client, input, { signal, onPiece }).catch((error) => {
          throw apiErrorOfMl(error);
        }),
    startTraining: (body) =>
      request("POST", ML_PATHS.startTraining, {
        schema: mlTrainingStatusSchema,
        body,
        timeoutMs: START_TRAINING_TIMEOUT_MS,
      }).catch((error) => {
        throw inServerFields(error);
      }),
    trainingStatus: (jobId) => request("GET", pathOf(ML_PATHS.trainingStatus, { job_id: jobId }), training),
    cancelTraining: (jobId) => request("POST", pathOf(ML_PATHS.cancelTraining, { job_id: jobId }), training),
    async *trainingEvents(jobId, options) {
      try {
        yield* client.events(pathOf(ML_PATHS.trainingEvents, { job_id: jobId }), { ...training, ...options });
      } catch (error) {
        throw apiErrorOfMl(error);
      }
    },
    taintAdapter: (id) => order("POST", pathOf(ML_PATHS.taintAdapter, { id })),
    deleteAdapter: (id) => order("DELETE", pathOf(ML_PATHS.adapter, { id })),
    copyAdapter: (id) =>
      client.download(pathOf(ML_PATHS.adapterFile, { id }), { timeoutMs: COPY_TIMEOUT_MS }).catch((error) => {
        throw apiErrorOfMl(error);
      }),
    restoreAdapter: (id, bytes) =>
      request("PUT", pathOf(ML_PATHS.adapterFile, { id }), {
        schema: adapterInfoSchema,
        bytes,
        timeoutMs: RESTORE_TIMEOUT_MS,
      }),
    clearCache: (pattern) => order("DELETE", `${ML_PATHS.cache}?${new URLSearchParams({ pattern })}`),
  });
}
