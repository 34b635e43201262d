/** The route of `/api/events`: a WebSocket on which an account's clients hear what happens in it. */
import {
  type EventMessage,
  eventMessageSchema,
  EVENTS_PROTOCOL,
  eventsQuerySchema,
  HEARTBEAT_MS,
  RESUME_CLOSE_CODE,
  SIGNED_OUT_CLOSE_CODE,
  TOKEN_PROTOCOL_PREFIX,
} from "../../contract/events.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { unlessAborted } from "../../lib/async.ts";
import type { Clock } from "../../lib/clock.ts";
import { ApiError, invalidRequest, logFieldsOfError } from "../../lib/errors.ts";
import { createRoutes, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import { StreamLimiter } from "../../lib/http/event_stream.ts";
import type { HandlerInfo } from "../../lib/http/node_bridge.ts";
import { protocolsOf, type ServerSocket } from "../../lib/http/web_sockets.ts";
import type { Logger } from "../../lib/log.ts";
import type { Caller, ServerEnv } from "../auth/authenticate.ts";
import type { EventService } from "../services/event_service.ts";

/** A person's windows and devices, and far more; each costs little. */
const SOCKETS_OF_ACCOUNT = 200;
/** How long a page of events may wait for a client that reads slowly; what comes after it waits in the database. */
export const SLOW_READER_MS = 10_000;

const route = tokenRoute("get", SERVER_PATHS.events, {
  summary: "Says what happens in the account, on a WebSocket of subprotocol `assistant.v1`",
  description:
    `Offer the subprotocol \`${EVENTS_PROTOCOL}\`, and the token in the header or, where none can be set, in a second subprotocol ` +
    `\`${TOKEN_PROTOCOL_PREFIX}<token>\`; a signed-in page offers the first alone. Each message of the server is an \`EventMessage\` as JSON; ` +
    "the client sends none. The first one is `connected`. Connect again with `after`, the `id` of the last message, and what " +
    "happened in between follows: events are there for five minutes. The server closes with " +
    `${RESUME_CLOSE_CODE} where the client is to connect again (the server stops, or the client read too slowly), and with ` +
    `${SIGNED_OUT_CLOSE_CODE} where its device was deactivated or its session has ended. An account may hold ` +
    `${SOCKETS_OF_ACCOUNT} open.`,
  request: { query: eventsQuerySchema },
  responses: {
    101: jsonResponse(eventMessageSchema, "The WebSocket is open; its messages are of this form"),
  },
  errors: [426, 429],
});

export interface EventRoutesOptions {
  events: EventService;
  clock: Clock;
  log: Logger;
}

interface SocketRequest {
  caller: Caller;
  after: number | undefined;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
}

/** Calls `beat` every {@linkcode HEARTBEAT_MS} until the signal aborts. */
function keepBeating(clock: Clock, { beat, signal }: { beat: () => void; signal: AbortSignal }): void {
  let cancel = () => {};
  const next = () => {
    cancel = clock.after(HEARTBEAT_MS, () => {
      beat();
      next();
    });
  };
  next();
  signal.addEventListener("abort", () => cancel(), { once: true });
}

/** Waits until what was sent has left. False when its reader takes too long. */
async function isReadInTime(
  clock: Clock,
  { sent, signal }: { sent: Promise<unknown>; signal: AbortSignal },
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const cancel = clock.after(SLOW_READER_MS, () => late.resolve(false));
  const inTime = await Promise.race([unlessAborted(sent, signal).then(() => true), late.promise]);
  cancel();
  return inTime;
}

/** Sends what happens until the socket or the signal ends. @throws ApiError `unauthorized`, or what the database fails with */
async function sendEvents(
  socket: ServerSocket,
  { events, clock, log }: EventRoutesOptions,
  { caller, after, signal }: Omit<SocketRequest, "stopping"> & { signal: AbortSignal },
): Promise<void> {
  const send = (message: EventMessage) => socket.send(JSON.stringify(message));
  const { from, resumed, pages } = await events.follow(caller, { after, signal });
  let last = from;
  await send({ id: from, event: "connected", data: { resumed } });
  keepBeating(clock, { beat: () => void send({ id: last, event: "heartbeat", data: {} }), signal });
  for await (const page of pages) {
    const sent = page.map((event) => send(event as EventMessage));
    last = page.at(-1)?.id ?? last;
    if (!await isReadInTime(clock, { sent: Promise.all(sent), signal })) {
      return log.info("a client read its events too slowly", { deviceId: caller.deviceId });
    }
  }
}

/** Serves one socket to its end, and says why it ends where the server ends it. */
async function serveSocket(
  socket: ServerSocket,
  options: EventRoutesOptions,
  { stopping, ...request }: SocketRequest,
): Promise<void> {
  const ending = new AbortController();
  const signal = AbortSignal.any([socket.closed, stopping, ending.signal]);
  try {
    await sendEvents(socket, options, { ...request, signal });
    socket.close(RESUME_CLOSE_CODE, "resume");
  } catch (error) {
    const isFinal = error instanceof ApiError && error.code === "unauthorized";
    if (isFinal) return socket.close(SIGNED_OUT_CLOSE_CODE, "signed out");
    options.log.warn("a socket of events broke", logFieldsOfError(error));
    socket.close(RESUME_CLOSE_CODE, "resume");
  } finally {
    ending.abort();
  }
}

/** The route of events. */
export function eventRoutes(options: EventRoutesOptions) {
  const sockets = new StreamLimiter(SOCKETS_OF_ACCOUNT);
  return createRoutes<ServerEnv>().openapi(route, (c) => {
    const { acceptWebSocket, stopping } = (c.env ?? {}) as Partial<HandlerInfo>;
    const { caller } = c.var;
    const { after } = c.req.valid("query");
    if (acceptWebSocket === undefined || stopping === undefined) {
      c.header("Upgrade", "websocket");
      throw new ApiError("upgrade_required", "Events come on a WebSocket: open one here");
    }
    if (!protocolsOf(c).includes(EVENTS_PROTOCOL)) {
      throw invalidRequest([{ path: "sec-websocket-protocol", message: `must offer ${EVENTS_PROTOCOL}` }]);
    }
    const slot = sockets.acquire(caller.accountId);
    // What stands for the socket is no answer that the document describes.
    return acceptWebSocket({
      protocol: EVENTS_PROTOCOL,
      open: (socket) => void serveSocket(socket, options, { caller, after, stopping }),
      ended: () => slot[Symbol.dispose](),
    }) as never;
  });
}
