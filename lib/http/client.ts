/** A typed HTTP client: timeouts, retries with backoff, event streams, and errors that name what went wrong. */
import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";
import type { z } from "zod";
import { type ErrorBody, errorBodySchema } from "../../contract/errors.ts";
import { backoffMs, delay } from "../backoff.ts";
import { messageOf } from "../errors.ts";

/** The server answered with an error body. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  constructor(readonly body: ErrorBody, readonly retryAfterMs: number | null) {
    super(body.message);
  }
  get statusCode(): number {
    return this.body.statusCode;
  }
}

/** No usable answer: nothing listens there, the connection broke, or it took too long. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

export interface ClientOptions {
  /** For example `http://127.0.0.1:3100`, without a trailing slash. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer`; called for each request. */
  token?: () => string | null;
  /** Sent with each request. */
  headers?: Record<string, string>;
  timeoutMs?: number;
  /** Retries of requests that may be repeated. */
  retries?: number;
  fetch?: typeof fetch;
}

export interface RequestOptions<Schema extends z.ZodType> {
  /** Checks and types the answer. */
  schema: Schema;
  body?: unknown;
  /** A body that is serialized already, instead of `body`. */
  json?: string;
  /** A body of bytes that is sent as it comes, instead of `body`. */
  bytes?: ReadableStream<Uint8Array<ArrayBuffer>>;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Is safe to send twice. Default: true for GET and DELETE. */
  repeatable?: boolean;
  headers?: Record<string, string>;
  /** Compresses large bodies; the server must accept gzip. */
  gzip?: boolean;
}

export interface Client {
  readonly baseUrl: string;
  /**
   * Sends a request and returns its parsed answer.
   *
   * @throws RemoteError for an answered error, UnreachableError when there is no usable answer
   */
  request<Schema extends z.ZodType>(
    method: string,
    path: string,
    options: RequestOptions<Schema>,
  ): Promise<z.output<Schema>>;
  /**
   * Asks, with a POST where there is a body, and reads server-sent events until the server ends the stream, skipping those whose data does not fit the schema. The
   * timeout is for the start of the answer; after that the stream may be silent for any time.
   *
   * @throws what `request` throws; also an UnreachableError when the stream breaks
   */
  events<Schema extends z.ZodType>(
    path: string,
    options: EventsOptions<Schema>,
  ): AsyncGenerator<StreamEvent<z.output<Schema>>>;
  /**
   * Asks for bytes, and gives them as they come. The timeout is for the start of the answer.
   *
   * @throws what `request` throws
   */
  download(
    path: string,
    options: Pick<EventsOptions<z.ZodType>, "signal" | "timeoutMs">,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

export interface EventsOptions<Schema extends z.ZodType>
  extends Pick<RequestOptions<Schema>, "schema" | "signal" | "timeoutMs" | "body"> {
  /** The id of the last event received: the stream resumes after it. */
  lastEventId?: string;
}

/** One event of a stream. */
export interface StreamEvent<Data> {
  /** Where to resume after a break; null when the server gives none. */
  id: string | null;
  data: Data;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const RETRY_BACKOFF = { baseMs: 250, capMs: 5_000 };
/** Statuses after which the same request may succeed. */
const TRANSIENT_STATUSES = new Set([429, 502, 503, 504]);
/** When a server asks for a longer wait, the error goes to the caller, which has its own schedule. */
const LONGEST_WAIT_MS = 10_000;

/** Smaller bodies travel as they are: compressing them saves no packet. */
export const MIN_GZIP_BYTES = 4 * 1024;

/** Compresses bytes as gzip. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
}

interface RequestBody {
  headers: Record<string, string>;
  body?: BodyInit;
}

async function bodyOf(
  { body, json = JSON.stringify(body), bytes, gzip: compresses }: Pick<
    RequestOptions<z.ZodType>,
    "body" | "json" | "bytes" | "gzip"
  >,
): Promise<RequestBody> {
  if (bytes !== undefined) return { headers: { "content-type": "application/octet-stream" }, body: bytes };
  if (json === undefined) return { headers: {} };
  const headers = { "content-type": "application/json" };
  if (!compresses || json.length < MIN_GZIP_BYTES) return { headers, body: json };
  const compressed = await gzip(new TextEncoder().encode(json));
  return { headers: { ...headers, "content-encoding": "gzip" }, body: compressed };
}

function retryAfterMsOf(response: Response): number | null {
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : null;
}

async function remoteErrorOf(response: Response): Promise<RemoteError | UnreachableError> {
  const parsed = errorBodySchema.safeParse(await response.json().catch(() => null));
  if (parsed.success) return new RemoteError(parsed.data, retryAfterMsOf(response));
  return new UnreachableError(
    `The answer of ${new URL(response.url).origin} is not from this product ` +
      `(status ${response.status} without its error body)`,
  );
}

function waitBeforeRetryMs(error: unknown, attempt: number): number | null {
  if (error instanceof UnreachableError) return backoffMs(attempt, RETRY_BACKOFF);
  if (!(error instanceof RemoteError) || !TRANSIENT_STATUSES.has(error.statusCode)) return null;
  const waitMs = error.retryAfterMs ?? backoffMs(attempt, RETRY_BACKOFF);
  return waitMs <= LONGEST_WAIT_MS ? waitMs : null;
}

/** Sends one request and resolves with the response once its headers say success. */
async function open(
  options: ClientOptions,
  request: Omit<RequestOptions<z.ZodType>, "schema"> & { method: string; path: string; timeout: AbortSignal },
): Promise<Response> {
  const { method, path, signal, timeout } = request;
  const token = options.token?.();
  const { headers, body } = await bodyOf(request);
  const response = await (options.fetch ?? fetch)(options.baseUrl + path, {
    method,
    headers: {
      accept: "application/json",
      ...options.headers,
      ...headers,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...request.headers,
    },
    body,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((error) => {
    signal?.throwIfAborted();
    const why = timeout.aborted ? "it did not answer in time" : messageOf(error);
    throw new UnreachableError(`Cannot reach ${options.baseUrl}: ${why}`, { cause: error });
  });
  if (!response.ok) throw await remoteErrorOf(response);
  return response;
}

/** A timeout that can be cancelled, which {@linkcode AbortSignal.timeout} cannot. */
function cancellableTimeout(timeoutMs: number): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Parses a body of server-sent events; an event that the end of the body cuts off is dropped. */
export function serverSentEventsOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<EventSourceMessage> {
  return body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
}

async function* readEvents<Schema extends z.ZodType>(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { schema, signal }: Pick<RequestOptions<Schema>, "schema" | "signal">,
): AsyncGenerator<StreamEvent<z.output<Schema>>> {
  let id: string | null = null;
  try {
    for await (const event of serverSentEventsOf(body)) {
      id = event.id ?? id;
      const data = schema.safeParse(parseJson(event.data));
      if (data.success) yield { id, data: data.data };
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new UnreachableError(`The stream broke: ${messageOf(error)}`, { cause: error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Makes a client of one service. */
export function createClient(options: ClientOptions): Client {
  const timeoutMsOf = (timeoutMs?: number) => timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;

  async function requestOnce<Schema extends z.ZodType>(
    method: string,
    path: string,
    request: RequestOptions<Schema>,
  ): Promise<z.output<Schema>> {
    const timeout = AbortSignal.timeout(timeoutMsOf(request.timeoutMs));
    const response = await open(options, { ...request, method, path, timeout });
    const answer = request.schema.safeParse(await response.json().catch(() => undefined));
    if (answer.success) return answer.data;
    throw new UnreachableError(
      `The answer of ${options.baseUrl}${path} has an unknown shape`,
    );
  }

  return {
    baseUrl: options.baseUrl,
    async request(method, path, request) {
      const repeatable = request.repeatable ?? (method === "GET" || method === "DELETE");
      const tries = repeatable ? 1 + (options.retries ?? 2) : 1;
      for (let attempt = 1;; attempt++) {
        try {
          return await requestOnce(method, path, request);
        } catch (error) {
          const waitMs = attempt < tries ? waitBeforeRetryMs(error, attempt) : null;
          if (waitMs === null) throw error;
          await delay(waitMs, { signal: request.signal });
        }
      }
    },
    async download(path, { signal, timeoutMs }) {
      using timeout = cancellableTimeout(timeoutMsOf(timeoutMs));
      const response = await open(options, { method: "GET", path, signal, timeout: timeout.signal });
      return response.body ?? new Blob().stream();
    },
    async *events(path, { schema, signal, timeoutMs, lastEventId, body }) {
      let response: Response;
      {
        using timeout = cancellableTimeout(timeoutMsOf(timeoutMs));
        const headers = {
          accept: "text/event-stream",
          ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
        };
        const method = body === undefined ? "GET" : "POST";
        response = await open(options, { method, path, headers, body, signal, timeout: timeout.signal });
      }
      if (response.body !== null) yield* readEvents(response.body, { schema, signal });
    },
  };
}
