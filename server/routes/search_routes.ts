/** The route of `/api/search`. */
import { SERVER_PATHS } from "../../contract/paths.ts";
import { searchQuery, searchResultListSchema } from "../../contract/search.ts";
import { createRoutes, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { SearchService } from "../services/search_service.ts";

const search = tokenRoute("get", SERVER_PATHS.search, {
  summary: "Searches the texts of messages, the best matches first",
  request: { query: searchQuery },
  responses: { 200: jsonResponse(searchResultListSchema, "A page of messages that match") },
});

/** The route that searches messages. */
export function searchRoutes({ search: service }: { search: SearchService }) {
  return createRoutes<ServerEnv>()
    .openapi(search, async (c) => c.json(await service.find(c.var.caller, c.req.valid("query")), 200));
}
