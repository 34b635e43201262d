/** Errors for clients (`ApiError`) and for the person at the terminal (`UserError`), and the text and body of any error. */
import type { ErrorBody, ErrorCode, Fault } from "../contract/errors.ts";

const STATUS_OF_CODE: Record<ErrorCode, number> = {
  validation_failed: 400,
  malformed_json: 400,
  unsupported_media_type: 400,
  payload_too_large: 413,
  request_timeout: 408,
  unauthorized: 401,
  token_expired: 401,
  forbidden: 403,
  device_deactivated: 403,
  scope_insufficient: 403,
  pairing_required: 403,
  setup_code_required: 403,
  code_invalid: 400,
  host_not_allowed: 421,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  upgrade_required: 426,
  client_outdated: 426,
  server_outdated: 426,
  idempotency_key_reused: 422,
  job_exists: 409,
  adapter_damaged: 409,
  adapter_unproven: 409,
  too_many_attempts: 429,
  too_many_requests: 429,
  overloaded: 503,
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
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  413: "Payload Too Large",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
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

export interface UserErrorOptions {
  /** What to do about it: a sentence without its period, such as "Stop what listens there, or set another port". */
  fix?: string;
  cause?: unknown;
}

/** An error that a person reads and can do something about; it is shown without a stack trace. */
export class UserError extends Error {
  override readonly name: string = "UserError";
  /** null when the message says it all. */
  readonly fix: string | null;

  /** @param message what happened: a sentence without its period */
  constructor(message: string, { fix, cause }: UserErrorOptions = {}) {
    super(message, { cause });
    this.fix = fix ?? null;
  }
}

/** A request that breaks a rule of the contract, with the path of each fault; the first one is in the message. */
export function invalidRequest(details: Fault[], options: { cause?: unknown } = {}): ApiError {
  const { path = "", message = "" } = details[0] ?? {};
  const where = path && ` at ${path}`;
  return new ApiError("validation_failed", `The request is not valid${where}: ${message}`, {
    ...options,
    details,
  });
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

/** The stack frames of an error, the nearest first; its message, which a stack begins with, may look like some. */
function framesOf(error: Error): string[] {
  const stack = error.stack ?? "";
  const begin = error.message === "" ? -1 : stack.indexOf(error.message);
  const lines = (begin < 0 ? stack : stack.slice(begin + error.message.length)).split("\n");
  return lines.filter((line) => /^\s+at /.test(line)).slice(0, 12).map((line) => line.trim());
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
  return { errorName: root.name, errorCode: code, stack: framesOf(error).join("; ") };
}

/** The text of an unknown thrown value: for a `UserError` what happened, then what to do. */
export function messageOf(error: unknown): string {
  if (error instanceof UserError && error.fix !== null) return `${error.message}. ${error.fix}.`;
  return error instanceof Error ? error.message : String(error);
}
