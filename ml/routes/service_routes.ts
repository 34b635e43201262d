/** `GET /health` and `DELETE /cache`. */
import { clearCacheQuerySchema, clearCacheResponseSchema, healthResponseSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { createRoutes, errorResponses, jsonResponse } from "../../lib/http/app.ts";
import type { ResponseCache } from "../cache/response_cache.ts";
import type { HealthService } from "../services/model_service.ts";

const health = createRoute({
  method: "get",
  path: ML_PATHS.health,
  summary: "Says whether a model is loaded, and if not, why; needs no token",
  responses: { 200: jsonResponse(healthResponseSchema, "The state of the service") },
});

const clear = createRoute({
  method: "delete",
  path: ML_PATHS.cache,
  summary: "Forgets cached replies whose key matches a glob",
  request: { query: clearCacheQuerySchema },
  responses: {
    200: jsonResponse(clearCacheResponseSchema, "How many were forgotten"),
    ...errorResponses(400, 401),
  },
});

/** The routes of health and response cache. */
export function serviceRoutes(services: { health: HealthService; cache: Pick<ResponseCache, "invalidate"> }) {
  return createRoutes()
    .openapi(health, async (c) => c.json(await services.health.check(), 200))
    .openapi(clear, async (c) => {
      return c.json({ invalidated: await services.cache.invalidate(c.req.valid("query").pattern) }, 200);
    });
}
