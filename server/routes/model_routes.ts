/** The routes of `/api/models`. */
import { z } from "../../deps.ts";
import { adapterIdSchema, modelsResponseSchema } from "../../contract/models.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoutes, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { ModelsService } from "../services/training/models_service.ts";

const get = tokenRoute("get", SERVER_PATHS.accountModels, {
  summary: "Shows the model, the account's adapters, and which one its drafts are made with",
  responses: { 200: jsonResponse(modelsResponseSchema, "The model and the adapters") },
});

const promote = tokenRoute("post", SERVER_PATHS.promoteAdapter, {
  summary: "Makes an adapter the one that drafts are made with",
  request: { params: z.object({ adapterId: adapterIdSchema }) },
  responses: { 200: jsonResponse(modelsResponseSchema, "The adapters with the promoted one") },
  errors: [409],
});

const rollBack = tokenRoute("post", SERVER_PATHS.rollBackAdapter, {
  summary: "Goes back to the adapter in use before, or to the base model",
  responses: { 200: jsonResponse(modelsResponseSchema, "The adapters after that") },
  errors: [409],
});

/** The routes of models. */
export function modelRoutes({ models }: { models: ModelsService }) {
  return createRoutes<ServerEnv>()
    .openapi(get, async (c) => c.json(await models.get(c.var.caller), 200))
    .openapi(
      promote,
      async (c) => c.json(await models.promote(c.var.caller, c.req.valid("param").adapterId), 200),
    )
    .openapi(rollBack, async (c) => c.json(await models.rollBack(c.var.caller), 200));
}
