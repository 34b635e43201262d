/** Owns `GET /health`: whether the service can answer, and if not, why. */
import { healthResponseSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { createRoutes, jsonResponse } from "../../lib/http/app.ts";
import type { HealthService } from "../services/health_service.ts";

const health = createRoute({
  method: "get",
  path: ML_PATHS.health,
  summary: "Says whether a model is loaded, and if not, why; needs no token",
  responses: { 200: jsonResponse(healthResponseSchema, "The state of the service") },
});

/** The route of the service's health. */
export function healthRoutes(services: { health: HealthService }) {
  return createRoutes().openapi(health, async (c) => c.json(await services.health.check(), 200));
}
