/** The page's client of the documented API: the one place that knows of the session and reads errors. */
import { signal } from "@preact/signals";
import type { z } from "zod";
import { errorBodySchema, type ErrorCode } from "../../contract/errors.ts";
import { STRINGS } from "./strings.ts";

/** Whether a session's cookie signs this browser in, which no script can read; null until the server has said so. */
export const isSignedIn = signal<boolean | null>(null);
/** True once the server has ended the access of a browser that was signed in. */
export const accessEnded = signal(false);

/** A request that failed; `message` is a sentence for the person. `code` is null where the server did not answer. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(message: string, readonly code: ErrorCode | null = null) {
    super(message);
  }
}

export interface RequestOptions<Schema extends z.ZodType> {
  schema: Schema;
  body?: unknown;
  signal?: AbortSignal;
}

/** The codes after which only signing in again helps. */
const ENDED: ReadonlySet<ErrorCode> = new Set(["unauthorized", "token_expired", "device_deactivated"]);

async function errorOf(response: Response): Promise<RequestError> {
  const body = errorBodySchema.safeParse(await response.json().catch(() => null));
  return body.success
    ? new RequestError(`${body.data.message}.`, body.data.code)
    : new RequestError(STRINGS.unreadable);
}

/**
 * Sends a request and parses its answer.
 *
 * @param operation method and path: `GET /api/conversations?page=2`
 * @throws RequestError with a sentence, or the `AbortError` of `signal`
 */
export async function request<Schema extends z.ZodType>(
  operation: `${"GET" | "POST" | "DELETE"} ${string}`,
  { schema, body, signal }: RequestOptions<Schema>,
): Promise<z.output<Schema>> {
  const [method, path = ""] = operation.split(" ");
  const headers: HeadersInit = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(path, { method, headers, body: JSON.stringify(body), signal }).catch(
    (error) => {
      throw signal?.aborted ? error : new RequestError(STRINGS.unreachable);
    },
  );
  if (!response.ok) {
    const error = await errorOf(response);
    if (isSignedIn.value && error.code !== null && ENDED.has(error.code)) {
      accessEnded.value = true;
      isSignedIn.value = false;
    }
    throw error;
  }
  const answer = schema.safeParse(await response.json().catch(() => null));
  if (!answer.success) throw new RequestError(STRINGS.unreadable);
  return answer.data;
}

/** The sentence of anything that was thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof RequestError ? error.message : STRINGS.unreadable;
}
