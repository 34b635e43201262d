/** The routes of `/api/conversations`, `/api/messages` and `/api/contacts`. */
import {
  changeConversationRequestSchema,
  changeConversationResponseSchema,
  contactListSchema,
  conversationListSchema,
  conversationResponseSchema,
  conversationsQuerySchema,
  deletePersonRequestSchema,
  deletionQuerySchema,
  deletionSchema,
  messageListSchema,
  messagesQuery,
} from "../../contract/conversations.ts";
import { pageQuery } from "../../contract/paging.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { idParams } from "../../contract/scalars.ts";
import { createRoutes, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { ConversationService } from "../services/conversation_service.ts";

const list = tokenRoute("get", SERVER_PATHS.conversations, {
  summary: "Lists conversations, the latest active first",
  request: { query: conversationsQuerySchema },
  responses: { 200: jsonResponse(conversationListSchema, "A page of conversations") },
});

const get = tokenRoute("get", SERVER_PATHS.conversation, {
  summary: "Shows one conversation",
  request: { params: idParams },
  responses: { 200: jsonResponse(conversationResponseSchema, "The conversation") },
});

const change = tokenRoute("patch", SERVER_PATHS.conversation, {
  summary: "Changes how a conversation is drafted for, and whether anything is learned from it",
  description:
    "With `neverTrain` its training samples are deleted, and the adapters that learned from them are used no more; those made " +
    "before are not there again when it is taken back. What was chosen stays when the conversation is deleted.",
  request: { params: idParams, body: jsonBody(changeConversationRequestSchema) },
  responses: { 200: jsonResponse(changeConversationResponseSchema, "The conversation, and what went") },
});

const messages = tokenRoute("get", SERVER_PATHS.conversationMessages, {
  summary: "Lists a conversation's messages, newest first",
  request: { params: idParams, query: messagesQuery },
  description:
    "With `around`, the page in whose middle a message is; `nextCursor` leads from it to older messages, `previousCursor` to newer ones.",
  responses: { 200: jsonResponse(messageListSchema, "A page of messages") },
});

const remove = tokenRoute("delete", SERVER_PATHS.conversation, {
  summary:
    "Deletes a conversation with its drafts and samples, for good: its messages do not come back with a sync",
  request: { params: idParams, query: deletionQuerySchema },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
});

const removeMessage = tokenRoute("delete", SERVER_PATHS.message, {
  summary: "Deletes a message for good, with every draft and sample whose prompt has it",
  request: { params: idParams, query: deletionQuerySchema },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
});

const removePerson = tokenRoute("delete", SERVER_PATHS.people, {
  summary: "Deletes a person for good: their contact, conversations, and what they wrote in groups",
  description:
    "All addresses of the contact count, and those of contacts with the same `personId`. Conversations with nobody else go as a " +
    "conversation that is deleted does; in groups the person's messages and reactions go, with every draft and sample whose prompt has " +
    "one, and the group goes on naming them. None of it comes back with a sync, but new messages of theirs are stored.",
  request: { body: jsonBody(deletePersonRequestSchema) },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
  errors: [404],
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
    .openapi(change, async (c) => {
      const request = { conversationId: c.req.valid("param").id, ...c.req.valid("json") };
      return c.json(await conversations.change(c.var.caller, request), 200);
    })
    .openapi(remove, async (c) => {
      const conversation = { ...c.req.valid("param"), ...c.req.valid("query") };
      return c.json(await conversations.delete(c.var.caller, conversation), 200);
    })
    .openapi(removeMessage, async (c) => {
      const message = { ...c.req.valid("param"), ...c.req.valid("query") };
      return c.json(await conversations.deleteMessage(c.var.caller, message), 200);
    })
    .openapi(
      removePerson,
      async (c) => c.json(await conversations.deletePerson(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(
      contacts,
      async (c) => c.json(await conversations.contacts(c.var.caller, c.req.valid("query")), 200),
    );
}
