/** Owns the route of `/health`. */
import { createRoute } from "../../deps.ts";
import { serverHealthSchema } from "../../contract/health.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoutes, jsonResponse } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { HealthService } from "../services/health_service.ts";

const health = createRoute({
  method: "get",
  path: SERVER_PATHS.health,
  summary: "Tells whether the server and what it needs are well",
  responses: { 200: jsonResponse(serverHealthSchema, "What answers and what does not") },
});

/** The route of the server's health. */
export function healthRoutes({ health: service }: { health: HealthService }) {
  return createRoutes<ServerEnv>().openapi(health, async (c) => c.json(await service.health(), 200));
}
