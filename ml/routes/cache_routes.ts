/** Owns `DELETE /cache`: forgetting cached replies. */
import { clearCacheQuerySchema, clearCacheResponseSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { createRoutes, errorResponses, jsonResponse } from "../../lib/http/app.ts";
import type { ResponseCache } from "../cache/response_cache.ts";

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

/** The route of the response cache. */
export function cacheRoutes({ cache }: { cache: Pick<ResponseCache, "invalidate"> }) {
  return createRoutes().openapi(clear, async (c) => {
    return c.json({ invalidated: await cache.invalidate(c.req.valid("query").pattern) }, 200);
  });
}
