/** The routes of `/api/sync`. */
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  syncContactsRequestSchema,
  syncContactsResponseSchema,
  syncDeletionsRequestSchema,
  syncDeletionsResponseSchema,
  syncHeartbeatRequestSchema,
  syncHeartbeatResponseSchema,
  syncMessagesRequestSchema,
  syncMessagesResponseSchema,
  syncStatusResponseSchema,
} from "../../contract/sync.ts";
import { createRoutes, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { SyncService } from "../services/sync_service.ts";

const syncMessages = tokenRoute("post", SERVER_PATHS.syncMessages, {
  summary: "Stores messages of one conversation; sending them again changes nothing",
  request: { body: jsonBody(syncMessagesRequestSchema) },
  responses: { 200: jsonResponse(syncMessagesResponseSchema, "What the batch changed") },
});

const syncContacts = tokenRoute("post", SERVER_PATHS.syncContacts, {
  summary: "Stores contacts; sending them again changes nothing",
  request: { body: jsonBody(syncContactsRequestSchema) },
  responses: { 200: jsonResponse(syncContactsResponseSchema, "What the batch changed") },
});

const syncDeletions = tokenRoute("post", SERVER_PATHS.syncDeletions, {
  summary: "Deletes messages that were deleted in Messages, with their drafts and training samples",
  request: { body: jsonBody(syncDeletionsRequestSchema) },
  responses: { 200: jsonResponse(syncDeletionsResponseSchema, "What was deleted") },
});

const heartbeat = tokenRoute("post", SERVER_PATHS.syncHeartbeat, {
  summary: "Notes that the device is there, and how many rows wait on it",
  request: { body: jsonBody(syncHeartbeatRequestSchema) },
  responses: { 200: jsonResponse(syncHeartbeatResponseSchema, "When it was received") },
});

const status = tokenRoute("get", SERVER_PATHS.syncStatus, {
  summary: "Tells what the account has stored",
  responses: {
    200: jsonResponse(syncStatusResponseSchema, "Totals, the latest times, and what each device has sent"),
  },
});

/** The routes of sync. */
export function syncRoutes({ sync }: { sync: SyncService }) {
  return createRoutes<ServerEnv>()
    .openapi(
      syncMessages,
      async (c) => c.json(await sync.syncMessages(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(
      syncContacts,
      async (c) => c.json(await sync.syncContacts(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(
      syncDeletions,
      async (c) => c.json(await sync.syncDeletions(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(
      heartbeat,
      async (c) => c.json(await sync.heartbeat(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(status, async (c) => c.json(await sync.status(c.var.caller), 200));
}
