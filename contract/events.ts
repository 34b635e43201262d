/** The wire of `GET /api/events`: a WebSocket on which the server says what happens in an account. */
import * as z from "zod";
import { adapterIdSchema } from "./models.ts";
import { responseActionSchema, responseStatusSchema } from "./responses.ts";
import { idSchema } from "./scalars.ts";
import { trainingStatusSchema } from "./training.ts";
import { DEVICE_STATUSES } from "./devices.ts";

/** The subprotocol that a client offers and the server chooses. */
export const EVENTS_PROTOCOL = "assistant.v1";
/** A client that may set no header, such as a page, offers its token behind this as a second subprotocol. */
export const TOKEN_PROTOCOL_PREFIX = "bearer.";
/** The code of a close after which the client connects again, with `after`: the server stops, or it read too slowly. */
export const RESUME_CLOSE_CODE = 4_000;
/** The code of a close that is final: the device was deactivated, or the session has ended. */
export const SIGNED_OUT_CLOSE_CODE = 4_001;
/** A client that hears nothing for longer than twice this has lost the connection. */
export const HEARTBEAT_MS = 15_000;

const responseData = z.object({
  responseId: idSchema,
  conversationId: idSchema,
  messageId: idSchema,
  status: responseStatusSchema,
});

const eventId = z.int().min(0).describe(
  "Of one account, without gaps: each event's is one more than that of the event before it",
);

function message<Name extends string, Data extends z.ZodType>(event: Name, data: Data) {
  return z.object({ id: eventId, event: z.literal(event), data });
}

/** One message of the server: ids and figures alone, the endpoints show the rest. Clients ignore events that they do not know. */
export const eventMessageSchema = z.discriminatedUnion("event", [
  message(
    "connected",
    z.object({
      resumed: z.boolean().describe(
        "True when all events since `after` follow; false when some may be gone, or `after` was not given: what the client " +
          "shows has to be read again",
      ),
    }),
  ).describe("The first message; its `id` is that of the newest event before those that follow"),
  message("heartbeat", z.object({})).describe("Every 15 seconds; its `id` is that of the last event sent"),
  message("response:generating", responseData),
  message("response:completed", responseData),
  message("response:failed", responseData).describe("Also of a draft that was cancelled; `status` says so"),
  message("response:acted", responseData.extend({ action: responseActionSchema }))
    .describe("The person accepted, edited or rejected the draft"),
  message(
    "training:progress",
    z.object({
      jobId: idSchema,
      status: trainingStatusSchema,
      progress: z.number().min(0).max(100).describe("Percent"),
    }),
  ),
  message(
    "sync:progress",
    z.object({
      deviceId: idSchema,
      inserted: z.int().min(0),
      updated: z.int().min(0),
      unchanged: z.int().min(0),
      deleted: z.int().min(0),
      lagRows: z.int().min(0).nullable()
        .describe("Rows that still wait on the device; null when it never said"),
    }),
  ),
  message("models:changed", z.object({ adapterId: adapterIdSchema }))
    .describe("An adapter was made, promoted, taken back, tainted or deleted, or ml has refused it"),
  message("conversation:changed", z.object({ conversationId: idSchema }))
    .describe("Its policy was set, or messages of it or all of it were deleted"),
  message("device:changed", z.object({ deviceId: idSchema, status: z.enum(DEVICE_STATUSES) })),
]).meta({ id: "EventMessage" });
export type EventMessage = z.infer<typeof eventMessageSchema>;
/** What happens in an account; the other messages are about the connection. */
export type EventName = Exclude<EventMessage["event"], "connected" | "heartbeat">;

export const eventsQuerySchema = z.object({
  after: z.string().regex(/^[0-9]{1,15}$/, "must be the id of an event").transform(Number).optional()
    .describe("The id of the last event that the client has seen"),
});
