/** WebSockets of the HTTP server: how a handler accepts one, and a socket that notices when its client is gone. */
import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
// @ts-types="@types/ws"
import { type WebSocket, WebSocketServer } from "ws";
import type { Context } from "../../deps.ts";

/** Clients have nothing to say on these sockets; a larger message closes one. */
const MAX_MESSAGE_BYTES = 4_096;

/** Whether a request asks for a WebSocket, in a form that one can be opened from (RFC 6455 §4.2.1). */
export function isHandshakeOf(method: string, header: (name: string) => string | undefined): boolean {
  return method === "GET" && header("upgrade")?.toLowerCase() === "websocket" &&
    header("sec-websocket-version") === "13" &&
    /^[+/0-9A-Za-z]{22}==$/.test(header("sec-websocket-key") ?? "");
}

/** As {@linkcode isHandshakeOf}, of a request that a handler has. */
export function isHandshake(c: Context): boolean {
  return isHandshakeOf(c.req.method, (name) => c.req.header(name));
}

/** The subprotocols that a handshake offers. */
export function protocolsOf(c: Context): string[] {
  return (c.req.header("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
}

/** An open WebSocket. What its client sends is discarded. */
export interface ServerSocket {
  /** Aborts when the connection has ended, whoever ended it. */
  readonly closed: AbortSignal;
  /** Resolves once the text has left the process, or never will. */
  send(text: string): Promise<void>;
  /** Says why and closes; what was sent before still arrives where it is read soon. */
  close(code: number, reason: string): void;
}

export interface AcceptOptions {
  /** The subprotocol, one of those that were offered. */
  protocol: string;
  open: (socket: ServerSocket) => void;
  /** Called once the connection has ended, whether the socket was opened or not. */
  ended: () => void;
}

/** Accepts a handshake. The socket opens once the handler has returned the answer. */
export type AcceptWebSocket = (options: AcceptOptions) => Response;

/** A request for a WebSocket, with the connection that it came on. */
export interface Handshake {
  readonly incoming: IncomingMessage;
  readonly connection: Duplex;
  /** What came behind the request. */
  readonly head: Buffer;
  /** How often a client is asked whether it is there; it is cut off when it has not answered until the next time. */
  readonly pingMs: number;
}

function watchClient(socket: WebSocket, pingMs: number): void {
  let answered = true;
  socket.on("pong", () => answered = true);
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, pingMs);
  Deno.unrefTimer(timer as unknown as number);
  socket.on("close", () => clearInterval(timer));
}

function serverSocketOf(socket: WebSocket): ServerSocket {
  const closing = new AbortController();
  socket.on("close", () => closing.abort());
  // A frame that is malformed; the socket closes by itself.
  socket.on("error", () => {});
  return {
    closed: closing.signal,
    send: (text) => new Promise((resolve) => socket.send(text, () => resolve())),
    close: (code, reason) => socket.close(code, reason),
  };
}

/** Opens the socket of a handshake that a handler has accepted. */
export function openWebSocket(handshake: Handshake, { protocol, open }: AcceptOptions): void {
  const { incoming, connection, head, pingMs } = handshake;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: () => protocol,
  });
  server.handleUpgrade(incoming, connection, head, (socket) => {
    watchClient(socket, pingMs);
    open(serverSocketOf(socket));
  });
}
