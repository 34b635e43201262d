/** The error body that both services answer with, and the closed list of its codes. */
import * as z from "zod";

/** Every machine-readable error code. Clients may switch on these; adding one is an API change. */
export const ERROR_CODES = [
  "validation_failed",
  "malformed_json",
  "unsupported_media_type",
  "payload_too_large",
  "request_timeout",
  "unauthorized",
  "token_expired",
  "forbidden",
  "device_deactivated",
  "scope_insufficient",
  "pairing_required",
  "setup_code_required",
  "code_invalid",
  "host_not_allowed",
  "not_found",
  "method_not_allowed",
  "conflict",
  "upgrade_required",
  "client_outdated",
  "server_outdated",
  "idempotency_key_reused",
  "job_exists",
  "adapter_damaged",
  "adapter_unproven",
  "too_many_attempts",
  "too_many_requests",
  "overloaded",
  "queue_full",
  "model_not_loaded",
  "ml_unavailable",
  "database_unavailable",
  "not_implemented",
  "cancelled",
  "internal",
] as const;

export const errorCodeSchema = z.enum(ERROR_CODES).meta({ id: "ErrorCode" });
export type ErrorCode = z.infer<typeof errorCodeSchema>;

/** Where the input is faulty: `messages.3.sentAt`, or the empty string for the body as such. */
export const faultSchema = z.object({
  path: z.string().describe("Dotted path of the faulty field; empty for the body as such"),
  message: z.string(),
}).meta({ id: "Fault" });
export type Fault = z.infer<typeof faultSchema>;

/** The body of every answer with a status of 400 or more. */
export const errorBodySchema = z.object({
  statusCode: z.int().min(400).max(599),
  message: z.string().describe("A sentence for a person"),
  error: z.string().describe("The status code's standard phrase"),
  code: errorCodeSchema,
  requestId: z.string().describe("Also in the X-Request-Id header and in the service's log"),
  details: z.array(faultSchema).optional().describe("For 400: each fault with its path"),
}).meta({ id: "Error" });
export type ErrorBody = z.infer<typeof errorBodySchema>;
