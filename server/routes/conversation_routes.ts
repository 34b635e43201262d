/** The routes of `/api/conversations`, `/api/messages` and `/api/contacts`. */
import {
  contactListSchema,
  conversationListSchema,
  conversationResponseSchema,
  deletionSchema,
  messageListSchema,
} from "../../contract/conversations.ts";
import { pageQuery, pageQuerySchema } from "../../contract/paging.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { idParams } from "../../contract/scalars.ts";
import { createRoutes, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { ConversationService } from "../services/conversation_service.ts";

const MESSAGES_PER_PAGE = 50;

const list = tokenRoute("get", SERVER_PATHS.conversations, {
  summary: "Lists conversations, the latest active first",
  request: { query: pageQuery },
  responses: { 200: jsonResponse(conversationListSchema, "A page of conversations") },
});

const get = tokenRoute("get", SERVER_PATHS.conversation, {
  summary: "Shows one conversation",
  request: { params: idParams },
  responses: { 200: jsonResponse(conversationResponseSchema, "The conversation") },
});

const messages = tokenRoute("get", SERVER_PATHS.conversationMessages, {
  summary: "Lists a conversation's messages, newest first",
  request: { params: idParams, query: pageQuerySchema(MESSAGES_PER_PAGE) },
  responses: { 200: jsonResponse(messageListSchema, "A page of messages") },
});

const remove = tokenRoute("delete", SERVER_PATHS.conversation, {
  summary:
    "Deletes a conversation with its drafts and samples, for good: its messages do not come back with a sync",
  request: { params: idParams },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
});

const removeMessage = tokenRoute("delete", SERVER_PATHS.message, {
  summary: "Deletes a message for good, with every draft and sample whose prompt has it",
  request: { params: idParams },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
});

const contacts = tokenRoute("get", SERVER_PATHS.contacts, {
  summary: "Lists contacts",
  request: { query: pageQuery },
  responses: { 200: jsonResponse(contactListSchema, "A page of contacts") },
});

/** The routes of conversations and contacts. */
export function conversationRoutes({ conversations }: { conversations: ConversationService }) {
  return createRoutes<ServerEnv>()
    .openapi(list, async (c) => c.json(await conversations.list(c.var.caller, c.req.valid("query")), 200))
    .openapi(get, async (c) => {
      const conversation = await conversations.get(c.var.caller, c.req.valid("param").id);
      return c.json({ conversation }, 200);
    })
    .openapi(messages, async (c) => {
      const request = { conversationId: c.req.valid("param").id, query: c.req.valid("query") };
      return c.json(await conversations.messages(c.var.caller, request), 200);
    })
    .openapi(
      remove,
      async (c) => c.json(await conversations.delete(c.var.caller, c.req.valid("param").id), 200),
    )
    .openapi(
      removeMessage,
      async (c) => c.json(await conversations.deleteMessage(c.var.caller, c.req.valid("param").id), 200),
    )
    .openapi(
      contacts,
      async (c) => c.json(await conversations.contacts(c.var.caller, c.req.valid("query")), 200),
    );
}
