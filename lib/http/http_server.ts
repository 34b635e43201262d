/**
 * An HTTP server with limits of time and of number, on `node:http`: Deno's own server has neither, and ends the
 * process when it accepts a connection without a free descriptor.
 */
import type { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import {
  affordableLimits,
  CONNECTION_LIMITS,
  type ConnectionLimits,
  Connections,
  type HeadLimits,
} from "./connections.ts";
import { answer, type BodyTimeLimits, type FetchHandler } from "./node_bridge.ts";
import { withRequestSpan } from "../tracing.ts";
import { type Handshake, isHandshakeOf } from "./web_sockets.ts";
import { NO_PROXIES, originOf, type TrustedProxies } from "./trusted_proxies.ts";

/** How long a client may take for each step, in milliseconds. */
export interface TimeLimits extends HeadLimits, BodyTimeLimits {
  /** How often connections are checked. */
  checkMs: number;
  /** How often it is made sure that connections are accepted. */
  acceptCheckMs: number;
  /** How often the client of a WebSocket is asked whether it is there. */
  pingMs: number;
}

export const TIME_LIMITS: TimeLimits = {
  headMs: 15_000,
  stallMs: 60_000,
  bodyMs: 15 * 60_000,
  keepAliveMs: 75_000,
  checkMs: 1_000,
  acceptCheckMs: 10_000,
  pingMs: 15_000,
};

export interface HttpServerOptions {
  hostname: string;
  /** 0 takes a free port. */
  port: number;
  times?: Partial<TimeLimits>;
  connections?: Partial<ConnectionLimits>;
  trustedProxies?: TrustedProxies;
}

export interface HttpServer {
  readonly port: number;
  /** Connections that are open. */
  readonly connectionCount: number;
  /** Accepts nothing more and resolves when all that is in flight has been answered. */
  shutdown(): Promise<void>;
  /** Closes what is still open. */
  destroy(): void;
}

/** How long an accepted connection may take to be noticed. */
const ACCEPT_MS = 2_000;

/** Connects to a listener as a client would. */
async function canConnect(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port }, () => resolve(true));
  socket.on("error", () => resolve(false));
  const connected = await promise;
  setTimeout(() => socket.destroy(), connected ? ACCEPT_MS : 0);
  return connected;
}

function listen(http: Server, { hostname, port }: { hostname: string; port: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once("error", reject);
  http.listen({ host: hostname, port, backlog: 511 }, () => {
    http.off("error", reject);
    resolve();
  });
  return promise;
}

/**
 * Makes sure that a server accepts connections. A listener of Deno accepts nothing more after it once failed for want of
 * a descriptor, and says nothing of it: so where no connection came for a while one is made, and a listener that does
 * not take it is opened again.
 */
function watchAccepting(
  http: Server,
  address: { hostname: string; port: number },
  checkMs: number,
): Disposable {
  let accepted = 0;
  let before = 0;
  let isStopped = false;
  http.on("connection", () => accepted++);
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.hostname] ?? address.hostname;
  async function check(): Promise<void> {
    const isQuiet = accepted === before;
    before = accepted;
    if (!isQuiet || !await canConnect(host, address.port)) return;
    await new Promise((resolve) => setTimeout(resolve, ACCEPT_MS / 2));
    const isAccepting = accepted > before;
    before = accepted;
    if (isAccepting || isStopped) return;
    http.close();
    await listen(http, address).catch(() => {});
  }
  const timer = setInterval(() => void check(), checkMs);
  Deno.unrefTimer(timer as unknown as number);
  return {
    [Symbol.dispose]() {
      isStopped = true;
      clearInterval(timer);
    },
  };
}

function createHttp(times: TimeLimits): Server {
  const server = createServer({
    // Connections are watched here: node:http's own limits count what a handler takes, too.
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: times.keepAliveMs,
    // Whoever asks for another protocol is answered in this one.
    shouldUpgradeCallback: ({ method = "", headers }: IncomingMessage) =>
      isHandshakeOf(method, (name) => headers[name]?.toString()),
  });
  server.timeout = 0;
  server.maxHeadersCount = 100;
  server.on("clientError", (_: Error, socket: Socket) => {
    if (socket.writable) socket.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    socket.destroySoon();
  });
  return server;
}

/**
 * Serves a fetch handler.
 *
 * @throws what `node:net` throws when the port is taken
 */
export async function serveHttp(handler: FetchHandler, options: HttpServerOptions): Promise<HttpServer> {
  const times = { ...TIME_LIMITS, ...options.times };
  const proxies = options.trustedProxies ?? NO_PROXIES;
  const limits = affordableLimits({ ...CONNECTION_LIMITS, ...options.connections });
  const connections = new Connections(limits, (address) => proxies.has(address));
  const stopping = new AbortController();
  const idle = { inFlight: 0, ...Promise.withResolvers<void>() };
  const http = createHttp(times);

  const serve = (incoming: IncomingMessage, outgoing: ServerResponse, handshake?: Handshake) => {
    const end = connections.begin(incoming.socket);
    idle.inFlight++;
    // A WebSocket lasts as long as its connection.
    (handshake?.connection ?? outgoing).on("close", () => {
      end();
      if (--idle.inFlight === 0 && stopping.signal.aborted) idle.resolve();
    });
    if (stopping.signal.aborted) outgoing.shouldKeepAlive = false;
    const origin = originOf(incoming, proxies);
    const exchange = { incoming, outgoing, origin, times, stopping: stopping.signal, handshake };
    void withRequestSpan(outgoing, () => answer(handler, exchange));
  };
  http.on("request", serve);
  http.on("upgrade", (incoming: IncomingMessage, connection: Socket, head: Buffer) => {
    // For the answer where no socket is opened.
    const outgoing = new ServerResponse(incoming);
    outgoing.assignSocket(connection);
    outgoing.shouldKeepAlive = false;
    outgoing.on("finish", () => connection.destroySoon());
    serve(incoming, outgoing, { incoming, connection, head, pingMs: times.pingMs });
  });
  http.on("connection", (socket: Socket) => void connections.admit(socket));
  const { hostname } = options;
  await listen(http, { hostname, port: options.port });
  const { port } = http.address() as AddressInfo;
  const watch = watchAccepting(http, { hostname, port }, times.acceptCheckMs);
  const checking = setInterval(() => connections.closeLate(times), times.checkMs);
  Deno.unrefTimer(checking as unknown as number);
  return {
    port,
    get connectionCount() {
      return connections.size;
    },
    async shutdown() {
      watch[Symbol.dispose]();
      http.close();
      stopping.abort();
      connections.stop();
      if (idle.inFlight > 0) await idle.promise;
    },
    destroy() {
      clearInterval(checking);
      connections.destroy();
    },
  };
}
