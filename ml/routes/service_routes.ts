/** `GET /health`, `GET /ready` and `DELETE /cache`. */
import { clearCacheQuerySchema, clearCacheResponseSchema, healthResponseSchema } from "../../contract/ml.ts";
import { readySchema } from "../../contract/health.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { createRoutes, errorResponses, jsonResponse } from "../../lib/http/app.ts";
import type { ResponseCache } from "../cache/response_cache.ts";
import type { HealthService } from "../services/model_service.ts";

const RETRY_AFTER_SECONDS = 5;

const health = createRoute({
  method: "get",
  path: ML_PATHS.health,
  summary: "Says whether a model is loaded, and if not, why; needs no token",
  responses: { 200: jsonResponse(healthResponseSchema, "The state of the service") },
});

const ready = createRoute({
  method: "get",
  path: ML_PATHS.ready,
  summary: "Says whether replies can be generated: a model is loaded; needs no token",
  responses: { 200: jsonResponse(readySchema, "They can"), ...errorResponses(503) },
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
    .openapi(ready, async (c) => {
      const { status } = await services.health.check();
      if (status === "healthy") return c.json({ ready: true as const }, 200);
      throw new ApiError("model_not_loaded", "No model is loaded; /health says why", {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    })
    .openapi(clear, async (c) => {
      return c.json({ invalidated: await services.cache.invalidate(c.req.valid("query").pattern) }, 200);
    });
}
