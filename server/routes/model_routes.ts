/** The routes of `/api/models`. */
import { z } from "../../deps.ts";
import {
  adapterIdSchema,
  comparedDraftsSchema,
  compareDraftsRequestSchema,
  heldOutRepliesSchema,
  modelsResponseSchema,
} from "../../contract/models.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoutes, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { ComparisonService } from "../services/training/comparison.ts";
import type { ModelsService } from "../services/training/models_service.ts";

const adapterParams = z.object({ adapterId: adapterIdSchema });

const get = tokenRoute("get", SERVER_PATHS.accountModels, {
  summary: "Shows the model, the account's adapters, and which one its drafts are made with",
  responses: { 200: jsonResponse(modelsResponseSchema, "The model and the adapters") },
});

const promote = tokenRoute("post", SERVER_PATHS.promoteAdapter, {
  summary: "Makes an adapter the one that drafts are made with",
  request: { params: adapterParams },
  responses: { 200: jsonResponse(modelsResponseSchema, "The adapters with the promoted one") },
  errors: [409],
});

const rollBack = tokenRoute("post", SERVER_PATHS.rollBackAdapter, {
  summary: "Goes back to the adapter in use before, or to the base model",
  responses: { 200: jsonResponse(modelsResponseSchema, "The adapters after that") },
  errors: [409],
});

const heldOut = tokenRoute("get", SERVER_PATHS.heldOutReplies, {
  summary: "Lists some replies that an adapter did not learn from, to compare drafts on",
  request: { params: adapterParams },
  responses: { 200: jsonResponse(heldOutRepliesSchema, "The replies, as training samples") },
});

const compare = tokenRoute("post", SERVER_PATHS.compareDrafts, {
  summary: "Has the message of a held-out reply answered with the adapter and without it",
  description: "Nothing of it is stored: the drafts are made for this answer, and go with it.",
  request: { params: adapterParams, body: jsonBody(compareDraftsRequestSchema) },
  responses: { 200: jsonResponse(comparedDraftsSchema, "The drafts") },
  errors: [409],
});

/** The routes of models. */
export function modelRoutes(
  { models, comparison }: { models: ModelsService; comparison: ComparisonService },
) {
  return createRoutes<ServerEnv>()
    .openapi(get, async (c) => c.json(await models.get(c.var.caller), 200))
    .openapi(
      promote,
      async (c) => c.json(await models.promote(c.var.caller, c.req.valid("param").adapterId), 200),
    )
    .openapi(
      heldOut,
      async (c) => c.json(await comparison.heldOut(c.var.caller, c.req.valid("param").adapterId), 200),
    )
    .openapi(compare, async (c) => {
      const { signal } = c.req.raw;
      const asked = { ...c.req.valid("param"), ...c.req.valid("json"), signal };
      return c.json(await comparison.compare(c.var.caller, asked), 200);
    })
    .openapi(rollBack, async (c) => c.json(await models.rollBack(c.var.caller), 200));
}
