/** Owns the errors that cross a service's border, and how any error becomes the documented error body. */
import type { ErrorBody, ErrorCode, Fault } from "../contract/errors.ts";

const STATUS_OF_CODE: Record<ErrorCode, number> = {
  validation_failed: 400,
  malformed_json: 400,
  unsupported_media_type: 400,
  payload_too_large: 413,
  unauthorized: 401,
  token_expired: 401,
  forbidden: 403,
  device_deactivated: 403,
  scope_insufficient: 403,
  pairing_required: 403,
  code_invalid: 400,
  not_found: 404,
  conflict: 409,
  job_exists: 409,
  too_many_attempts: 429,
  too_many_requests: 429,
  queue_full: 503,
  model_not_loaded: 503,
  ml_unavailable: 503,
  database_unavailable: 503,
  not_implemented: 501,
  cancelled: 499,
  internal: 500,
};

const PHRASE_OF_STATUS: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  413: "Payload Too Large",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

export interface ApiErrorOptions {
  /** Each fault with its path, for 400. */
  details?: Fault[];
  /** Answered as `Retry-After`. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** An error with a code of the contract. Its message is answered to the client: no secrets, no message text. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ErrorCode;
  readonly statusCode: number;
  readonly details?: Fault[];
  readonly retryAfterSeconds?: number;

  constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.statusCode = STATUS_OF_CODE[code];
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The standard phrase of a status code. */
export function phraseOfStatus(statusCode: number): string {
  return PHRASE_OF_STATUS[statusCode] ?? "Error";
}

/** The documented body of an error. Anything that is no `ApiError` reveals nothing but its request id. */
export function errorBodyOf(error: unknown, requestId: string): ErrorBody {
  const known = error instanceof ApiError
    ? error
    : new ApiError("internal", "Something went wrong on the server; its log has the request id");
  return {
    statusCode: known.statusCode,
    message: known.message,
    error: phraseOfStatus(known.statusCode),
    code: known.code,
    requestId,
    ...(known.details ? { details: known.details } : {}),
  };
}

/**
 * What a log may say of an unexpected error: its kind, its code and its stack frames.
 *
 * Its message stays out: database drivers put the values of a query into theirs.
 */
export function logFieldsOfError(error: unknown): { errorName: string; errorCode?: string; stack?: string } {
  if (!(error instanceof Error)) return { errorName: typeof error };
  const root = error.cause instanceof Error ? error.cause : error;
  const code = "code" in root && typeof root.code === "string" ? root.code : undefined;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 12);
  return { errorName: root.name, errorCode: code, stack: frames.map((frame) => frame.trim()).join("; ") };
}

/** One sentence of an unknown thrown value, for logs and job records. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
