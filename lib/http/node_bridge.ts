/** Carries requests of `node:http` to a fetch handler, and its responses back, with backpressure and abort signals. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, errorBodyOf } from "../errors.ts";
import { type AcceptOptions, type AcceptWebSocket, type Handshake, openWebSocket } from "./web_sockets.ts";

/** How long bodies may take, in milliseconds; a request body that takes longer ends its request with 408. */
export interface BodyTimeLimits {
  /** Without a further byte of a request's body, or without that the client reads any of its answer. */
  stallMs: number;
  /** For a complete request body, however steadily it comes. */
  bodyMs: number;
}

/** How long what is left of a body is still read after its request was refused, so that the client sees the answer. */
const LINGER_MS = 5_000;

/** What Deno's own server gives its handlers beside the request. */
export interface HandlerInfo extends Deno.ServeHandlerInfo<Deno.NetAddr> {
  /** Aborts when the server begins to stop: streams without an end of their own end then. */
  stopping: AbortSignal;
  /** Of a request that asks for a WebSocket. */
  acceptWebSocket?: AcceptWebSocket;
}
export type FetchHandler = (request: Request, info: HandlerInfo) => Response | Promise<Response>;

/** Who asks, as the connection or a trusted proxy says. */
export interface RequestOrigin {
  protocol: "http" | "https";
  address: string;
}

/** Methods that the services use; others are answered with 405. */
export const ALLOWED_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** Methods that a `Request` cannot have. */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/** A 405. */
export function methodNotAllowed(): ApiError {
  return new ApiError("method_not_allowed", "There is something at this path, but not with this method");
}

function tooSlow(): ApiError {
  return new ApiError("request_timeout", "The request body came too slowly, or not to its end");
}

function declaresBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return headers["content-length"] !== undefined && headers["content-length"] !== "0";
}

/** The body of a request. It is read from the socket only as fast as its reader asks for it. */
function bodyOf(incoming: IncomingMessage, { stallMs, bodyMs }: BodyTimeLimits): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let deadline = Infinity;
  const finish = (action: () => void) => {
    clearTimeout(timer);
    if (!isOver) action();
    isOver = true;
  };
  // What nobody reads stays without listeners: node:http then discards it by itself.
  let listens = false;
  function listen(controller: ReadableStreamDefaultController<Uint8Array>): void {
    listens = true;
    deadline = performance.now() + bodyMs;
    incoming.pause();
    incoming.on("data", (chunk: Uint8Array) => {
      clearTimeout(timer);
      incoming.pause();
      if (!isOver) controller.enqueue(chunk);
    });
    const broken = () => finish(() => controller.error(new Error("The connection broke")));
    incoming.on("end", () => finish(() => controller.close())).on("error", broken).on("close", broken);
  }
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (!listens) listen(controller);
      const leftMs = Math.min(stallMs, deadline - performance.now());
      clearTimeout(timer);
      timer = setTimeout(() => finish(() => controller.error(tooSlow())), Math.max(0, leftMs));
      incoming.resume();
    },
    cancel: () => finish(() => {}),
  }, { highWaterMark: 0 });
}

/** The last `Host` that was found to be one: clients repeat theirs. */
let knownHost = "localhost";

function isHost(host: string): boolean {
  if (host !== knownHost && !URL.canParse(`http://${host}`)) return false;
  knownHost = host;
  return true;
}

/** The URL of a request: its path, or the whole of one that was written for a proxy, on the host that it names. */
function urlOf({ url = "/", headers }: IncomingMessage, protocol: string): string {
  const host = headers.host ?? "localhost";
  const whole = url.startsWith("/") ? `${protocol}://${host}${url}` : url;
  if (isHost(host) && URL.canParse(whole)) return whole;
  throw new ApiError("validation_failed", "The request names no host or path that can be read");
}

/** Aborts when the client leaves. Most requests never ask for its signal, which costs as much as all their headers. */
class Leaving {
  #controller: AbortController | undefined;
  #hasLeft = false;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#hasLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  leave(): void {
    this.#hasLeft = true;
    this.#controller?.abort();
  }
}

function requestOf(
  incoming: IncomingMessage,
  options: { origin: RequestOrigin; leaving: Leaving; times: BodyTimeLimits },
): Request {
  const { rawHeaders, method = "GET" } = incoming;
  if (FORBIDDEN_METHODS.has(method)) throw methodNotAllowed();
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.push([rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""]);
  }
  const hasBody = method !== "GET" && method !== "HEAD" && declaresBody(incoming);
  const request = new Request(urlOf(incoming, options.origin.protocol), {
    method,
    headers,
    body: hasBody ? bodyOf(incoming, options.times) : null,
  });
  return Object.defineProperty(request, "signal", { get: () => options.leaving.signal });
}

/** Resolves once more can be written; rejects when the connection ended, or its client read nothing for too long. */
function drained(outgoing: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => settle(resolve);
    const onClose = () => settle(() => reject(new Error("The client left")));
    const timer = setTimeout(() => settle(() => reject(new Error("The client reads nothing"))), stallMs);
    function settle(action: () => void) {
      clearTimeout(timer);
      outgoing.off("drain", onDrain).off("close", onClose);
      action();
    }
    outgoing.on("drain", onDrain).on("close", onClose);
  });
}

async function writeBody(
  outgoing: ServerResponse,
  { body, stallMs }: { body: ReadableStream<Uint8Array>; stallMs: number },
): Promise<void> {
  const reader = body.getReader();
  // A reader that left ends the stream even while no event is due.
  const onClose = () => void reader.cancel().catch(() => {});
  outgoing.on("close", onClose);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || outgoing.destroyed) break;
      if (!outgoing.write(value)) await drained(outgoing, stallMs);
    }
    outgoing.off("close", onClose);
    outgoing.end();
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    outgoing.destroy();
  }
}

/** Headers that node:http writes itself. */
const HOP_HEADERS: ReadonlySet<string> = new Set(["connection", "transfer-encoding", "keep-alive"]);

async function respond(outgoing: ServerResponse, response: Response, stallMs: number): Promise<void> {
  const headers: string[] = [];
  // An iterator of Deno's sorts all headers again at each step.
  response.headers.forEach((value, name) => void (HOP_HEADERS.has(name) || headers.push(name, value)));
  const isJson = /^application\/json\b/.test(response.headers.get("content-type") ?? "");
  if (isJson && outgoing.req.method !== "HEAD") {
    // JSON is whole when it is answered: one write carries head and body. To look at its body would make it a stream.
    const bytes = await response.bytes();
    outgoing.writeHead(response.status, headers).end(bytes);
    return;
  }
  const { body } = response;
  if (body === null || outgoing.req.method === "HEAD") {
    await body?.cancel();
    outgoing.writeHead(response.status, headers).end();
  } else {
    outgoing.writeHead(response.status, headers).flushHeaders();
    await writeBody(outgoing, { body, stallMs });
  }
}

/** Answers what no handler can be asked about. */
function refuse(outgoing: ServerResponse, error: ApiError): void {
  const requestId = crypto.randomUUID();
  const headers = { "content-type": "application/json", "x-request-id": requestId, connection: "close" };
  if (error.code === "method_not_allowed") Object.assign(headers, { allow: ALLOWED_METHODS.join(", ") });
  outgoing.writeHead(error.statusCode, headers).end(JSON.stringify(errorBodyOf(error, requestId)));
}

/**
 * Closes a connection whose request was answered before all of its body came: what follows is no request. To close it at once, as
 * `node:http` would, resets it, and takes the answer from a client that still sends.
 */
function closeAfter(outgoing: ServerResponse): void {
  const { req: incoming } = outgoing;
  const { socket } = incoming;
  outgoing.shouldKeepAlive = false;
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.on("close", () => clearTimeout(timer));
    incoming.resume();
  };
}

export interface Exchange {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  origin: RequestOrigin;
  times: BodyTimeLimits;
  stopping: AbortSignal;
  /** Where the request asks for a WebSocket. */
  handshake?: Handshake;
}

/** What a handler accepts a handshake with, and how that is read; the answer that it gets stands for the socket. */
function accepting(
  { connection }: Handshake,
): { accept: AcceptWebSocket; accepted: () => AcceptOptions | null } {
  let accepted: AcceptOptions | null = null;
  const accept: AcceptWebSocket = (options) => {
    accepted = options;
    if (connection.destroyed) options.ended();
    else connection.once("close", options.ended);
    return new Response(null);
  };
  return { accept, accepted: () => accepted };
}

/** Answers one request of `node:http` with what the handler answers. Never rejects. */
export async function answer(handler: FetchHandler, exchange: Exchange): Promise<void> {
  const { incoming, outgoing, origin, times, stopping, handshake } = exchange;
  const webSocket = handshake && accepting(handshake);
  const leaving = new Leaving();
  const completed = Promise.withResolvers<void>();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) leaving.leave();
    completed.resolve();
  });
  try {
    const request = requestOf(incoming, { origin, leaving, times });
    const remoteAddr: Deno.NetAddr = {
      transport: "tcp",
      hostname: origin.address,
      port: incoming.socket.remotePort ?? 0,
    };
    const response = await handler(request, {
      remoteAddr,
      completed: completed.promise,
      stopping,
      acceptWebSocket: webSocket?.accept,
    });
    const accepted = response.ok ? webSocket?.accepted() : undefined;
    if (handshake && accepted) {
      outgoing.detachSocket(incoming.socket);
      return openWebSocket(handshake, accepted);
    }
    if (outgoing.destroyed) return await response.body?.cancel();
    if (declaresBody(incoming) && !incoming.complete) closeAfter(outgoing);
    await respond(outgoing, response, times.stallMs);
  } catch (error) {
    if (error instanceof ApiError && !outgoing.headersSent) refuse(outgoing, error);
    else outgoing.destroy();
  }
}
