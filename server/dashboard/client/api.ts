/** The page's client of the documented API: the one place that knows of the session and reads errors. */
import { signal } from "@preact/signals";
import * as z from "zod";
import { errorBodySchema, type ErrorCode } from "../../../contract/errors.ts";
import { serverSentEventsOf } from "../../../lib/http/client.ts";
import { takeEarly } from "./early.ts";
import { STRINGS } from "../strings.ts";

/** Whether a session's cookie signs this browser in, which no script can read; null until the server has said so. */
export const isSignedIn = signal<boolean | null>(null);
/** True once the server has ended the access of a browser that was signed in. */
export const accessEnded = signal(false);

/** Notes that the server has ended this browser's access. */
export function endAccess(): void {
  accessEnded.value = true;
  isSignedIn.value = false;
}

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

const pieceSchema = z.object({ text: z.string() });

/** The codes after which only signing in again helps. */
const ENDED: ReadonlySet<ErrorCode> = new Set(["unauthorized", "token_expired", "device_deactivated"]);

/** The error of an answer that is none of success. */
export function errorOf(value: unknown): RequestError {
  const body = errorBodySchema.safeParse(value);
  return body.success
    ? new RequestError(`${body.data.message}.`, body.data.code)
    : new RequestError(STRINGS.unreadable);
}

/** Method and path: `GET /api/conversations?page=2`. */
type Operation = `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} ${string}`;

/** Sends a request; its answer is a success. */
async function send(
  operation: Operation,
  { body, signal, accept = "application/json" }: { body?: unknown; signal?: AbortSignal; accept?: string },
): Promise<Response> {
  const [method, path = ""] = operation.split(" ");
  const headers = { accept, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const answer = method === "GET" ? takeEarly(path) : undefined;
  const response = await (answer ?? fetch(path, { method, headers, body: JSON.stringify(body), signal }))
    .catch(
      (error) => {
        throw signal?.aborted ? error : new RequestError(STRINGS.unreachable);
      },
    );
  if (!response.ok) {
    const error = errorOf(await response.json().catch(() => null));
    if (isSignedIn.value && error.code !== null && ENDED.has(error.code)) endAccess();
    throw error;
  }
  return response;
}

/** What a schema makes of a value. @throws RequestError */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const answer = schema.safeParse(value);
  if (!answer.success) throw new RequestError(STRINGS.unreadable);
  return answer.data;
}

/**
 * Sends a request and parses its answer.
 *
 * @throws RequestError with a sentence, or the `AbortError` of `signal`
 */
export async function request<Schema extends z.ZodType>(
  operation: Operation,
  { schema, body, signal }: RequestOptions<Schema>,
): Promise<z.output<Schema>> {
  const response = await send(operation, { body, signal });
  return parsed(schema, await response.json().catch(() => null));
}

/**
 * Sends a request whose answer is written piece by piece, and parses the whole that comes last.
 *
 * @param options `onPiece` is given each piece of the text
 * @throws as {@linkcode request}, also for an error that comes after some pieces
 */
export async function requestText<Schema extends z.ZodType>(
  operation: Operation,
  { schema, body, signal, onPiece }: RequestOptions<Schema> & { onPiece: (text: string) => void },
): Promise<z.output<Schema>> {
  const { body: bytes } = await send(operation, { body, signal, accept: "text/event-stream" });
  const events = bytes === null ? undefined : serverSentEventsOf(bytes).getReader();
  for (let next = await events?.read(); next?.value !== undefined; next = await events?.read()) {
    const { event, data } = next.value;
    const value: unknown = JSON.parse(data);
    if (event === "token") onPiece(parsed(pieceSchema, value).text);
    if (event === "completed") return parsed(schema, value);
    if (event === "error") {
      const { message, code } = parsed(errorBodySchema, value);
      throw new RequestError(`${message}.`, code);
    }
  }
  throw new RequestError(STRINGS.unreachable);
}

/** The sentence of anything that was thrown. */
export function sentenceOf(error: unknown): string {
  return error instanceof RequestError ? error.message : STRINGS.unreadable;
}
