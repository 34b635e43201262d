/** Owns `POST /model/reload` and `GET /models`. */
import { modelListSchema, reloadQuerySchema, reloadResponseSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { createRoutes, errorResponses, jsonResponse } from "../../lib/http.ts";
import type { ModelService } from "../services/model_service.ts";

const reload = createRoute({
  method: "post",
  path: ML_PATHS.reloadModel,
  summary: "Loads a model of the catalog or the models folder, or the configured one again",
  description:
    "Answers when the model is loaded, which may take a download. Requests in flight end on the old one.",
  request: { query: reloadQuerySchema },
  responses: {
    200: jsonResponse(reloadResponseSchema, "The model that is served now"),
    ...errorResponses(400, 401, 404, 409, 503),
  },
});

const list = createRoute({
  method: "get",
  path: ML_PATHS.models,
  summary: "Lists the models that can be loaded",
  responses: { 200: jsonResponse(modelListSchema, "The models"), ...errorResponses(401) },
});

/** The routes of models. */
export function modelRoutes({ models }: { models: ModelService }) {
  return createRoutes()
    .openapi(reload, async (c) => c.json(await models.reload(c.req.valid("query").model_id), 200))
    .openapi(list, async (c) => c.json(await models.list(), 200));
}
