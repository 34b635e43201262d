/** A WebSocket client of `/api/events` for tests, which may be cut off, stop reading, and send whatever headers. */
import assert from "node:assert/strict";
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import {
  type EventMessage,
  eventMessageSchema,
  EVENTS_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from "../../../contract/events.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";

export interface EventClientOptions {
  /** Offered as a subprotocol. */
  token?: string;
  headers?: Record<string, string>;
  after?: number;
  protocols?: string[];
}

export interface EventClient extends AsyncDisposable {
  /** The next message; rejects once the socket has closed. */
  next(): Promise<EventMessage>;
  /** The next message of this name, past those of other names. */
  find(event: EventMessage["event"]): Promise<EventMessage>;
  /** How the server closed it; 1006 when the connection broke. */
  readonly closed: Promise<number>;
  /** Breaks the connection without a word. */
  cut(): void;
  /** Reads nothing more until `resume`. */
  pause(): void;
  resume(): void;
}

/** The status with which a handshake was refused. */
export class HandshakeRefused extends Error {
  constructor(readonly status: number) {
    super(`The handshake was answered with ${status}`);
  }
}

function socketOf(url: string, options: EventClientOptions): WebSocket {
  const { token, headers, after, protocols = [EVENTS_PROTOCOL] } = options;
  const query = after === undefined ? "" : `?after=${after}`;
  const address = url.replace(/^http/, "ws") + SERVER_PATHS.events + query;
  const offered = token === undefined ? protocols : [...protocols, TOKEN_PROTOCOL_PREFIX + token];
  return new WebSocket(address, offered, { headers });
}

/** Connects. @throws HandshakeRefused */
export async function openEvents(url: string, options: EventClientOptions): Promise<EventClient> {
  const socket = socketOf(url, options);
  const messages: EventMessage[] = [];
  const waiting: PromiseWithResolvers<EventMessage>[] = [];
  const closed = Promise.withResolvers<number>();
  socket.on("message", (data) => {
    const message = eventMessageSchema.parse(JSON.parse(String(data)));
    const waiter = waiting.shift();
    if (waiter === undefined) messages.push(message);
    else waiter.resolve(message);
  });
  let code: number | null = null;
  socket.on("close", (why) => {
    code = why;
    closed.resolve(why);
    for (const waiter of waiting) waiter.reject(new Error(`The socket was closed with ${why}`));
  });
  const opened = Promise.withResolvers<void>();
  socket.on("open", () => opened.resolve());
  socket.on("unexpected-response", (_, response) => {
    response.resume();
    opened.reject(new HandshakeRefused(response.statusCode ?? 0));
  });
  socket.on("error", (error) => opened.reject(error));
  await opened.promise;
  assert.equal(socket.protocol, EVENTS_PROTOCOL);
  const next = () => {
    const message = messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    const waiter = Promise.withResolvers<EventMessage>();
    if (code !== null) waiter.reject(new Error(`The socket was closed with ${code}`));
    else waiting.push(waiter);
    return waiter.promise;
  };
  return {
    next,
    async find(event) {
      for (let message = await next();; message = await next()) if (message.event === event) return message;
    },
    closed: closed.promise,
    cut: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed.promise;
    },
  };
}
