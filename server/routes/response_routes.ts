/** The routes of `/api/responses`. */
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  generateResponseRequestSchema,
  idempotencyHeaderSchema,
  responseActionRequestSchema,
  responseActionResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { pageQuery } from "../../contract/paging.ts";
import { idParams, idSchema } from "../../contract/scalars.ts";
import { createRoutes, eventStreamContent, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import { asksForEvents, type StreamedWork, streamGeneration } from "../../lib/http/streamed_work.ts";
import type { Logger } from "../../lib/log.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { Drafting } from "../services/drafts/draft_service.ts";
import type { ResponseService } from "../services/drafts/response_service.ts";

const generate = tokenRoute("post", SERVER_PATHS.generateResponse, {
  summary: "Drafts a reply to an incoming message",
  description:
    "Sent again with the same `Idempotency-Key` within a day, a request answers with the same draft; one that " +
    "failed frees its key. With `Accept: text/event-stream` the draft comes as it is written: events `token` with `{ text }` " +
    "for each further piece, then `completed` with the body of the JSON answer, whose text is what counts; or `error` with " +
    "an error body. A client that leaves ends the draft.",
  request: { headers: idempotencyHeaderSchema, body: jsonBody(generateResponseRequestSchema) },
  responses: {
    200: {
      description: "The draft",
      content: {
        "application/json": { schema: generatedResponseSchema },
        ...eventStreamContent(["token", "completed"]),
      },
    },
    202: jsonResponse(generatedResponseSchema, "With `async`: the draft is queued"),
  },
  errors: [404, 409, 422],
});

const list = tokenRoute("get", SERVER_PATHS.responses, {
  summary: "Lists drafts, newest first",
  request: { query: pageQuery.extend({ conversationId: idSchema.optional() }) },
  responses: { 200: jsonResponse(responseListSchema, "A page of drafts") },
});

const get = tokenRoute("get", SERVER_PATHS.response, {
  summary: "Shows one draft and what was done with it",
  request: { params: idParams },
  responses: { 200: jsonResponse(responseRecordSchema, "The draft") },
});

const act = tokenRoute("post", SERVER_PATHS.responseAction, {
  summary: "Says what the person did with a draft: accept, edit or reject",
  request: { params: idParams, body: jsonBody(responseActionRequestSchema) },
  responses: {
    200: jsonResponse(responseActionResponseSchema, "The draft and the training sample made of the action"),
  },
  errors: [409],
});

const cancel = tokenRoute("post", SERVER_PATHS.cancelResponse, {
  summary: "Ends a draft that is not finished",
  request: { params: idParams },
  responses: { 200: jsonResponse(responseRecordSchema, "The cancelled draft") },
  errors: [409],
});

/** The routes of drafts. */
export function responseRoutes(
  { drafting, responses, log }: { drafting: Drafting; responses: ResponseService; log: Logger },
) {
  return createRoutes<ServerEnv>()
    .openapi(generate, async (c) => {
      const request = c.req.valid("json");
      const key = c.req.valid("header")["idempotency-key"];
      if (asksForEvents(c) && !request.async) {
        const generate: StreamedWork<string, GeneratedResponse> = (wait) =>
          drafting.stream(c.var.caller, { request, key, ...wait });
        // The typed route knows JSON answers only; a stream is described in its text.
        return await streamGeneration(c, { generate, lastEvent: "completed", log }) as never;
      }
      if (key !== undefined) {
        const answer = await drafting.draftOnce(c.var.caller, { key, request, signal: c.req.raw.signal });
        return c.json(answer, request.async ? 202 : 200);
      }
      if (request.async) return c.json(await drafting.enqueue(c.var.caller, request), 202);
      const { signal } = c.req.raw;
      return c.json(await drafting.draft(c.var.caller, { ...request, signal }), 200);
    })
    .openapi(list, async (c) => c.json(await responses.list(c.var.caller, c.req.valid("query")), 200))
    .openapi(get, async (c) => c.json(await responses.get(c.var.caller, c.req.valid("param").id), 200))
    .openapi(act, async (c) => {
      const request = { responseId: c.req.valid("param").id, action: c.req.valid("json") };
      return c.json(await responses.act(c.var.caller, request), 200);
    })
    .openapi(cancel, async (c) => c.json(await drafting.cancel(c.var.caller, c.req.valid("param").id), 200));
}
