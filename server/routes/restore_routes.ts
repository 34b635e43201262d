/** `POST /api/restore`, with which the page of a server that nobody owns restores a backup. */
import { restoreHeadersSchema, restoreQuerySchema, restoreResponseSchema } from "../../contract/restore.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoute, z } from "../../deps.ts";
import { createRoutes, errorResponses, jsonResponse } from "../../lib/http/app.ts";
import { type ClientAddressOf, isLocalAddress, type ServerEnv } from "../auth/authenticate.ts";
import type { RestoreService } from "../services/restoring.ts";

const restore = createRoute({
  method: "post",
  path: SERVER_PATHS.restore,
  summary: "Restores a backup on a server that nobody owns yet",
  description:
    "All of it or nothing. The server then starts again by itself, and knows the devices of the backup.",
  request: {
    headers: restoreHeadersSchema,
    query: restoreQuerySchema,
    body: {
      required: true,
      description: "The file that `backup` wrote",
      content: { "application/octet-stream": { schema: z.string().meta({ format: "binary" }) } },
    },
  },
  responses: {
    200: jsonResponse(restoreResponseSchema, "What was restored"),
    ...errorResponses(400, 403, 408, 409, 503),
  },
});

/** The route of restoring. */
export function restoreRoutes(
  { restoring, clientAddressOf }: { restoring: RestoreService; clientAddressOf: ClientAddressOf },
) {
  return createRoutes<ServerEnv>().openapi(restore, async (c) => {
    const headers = c.req.valid("header");
    const { createdAt, rows, adapters } = await restoring.restore({
      bytes: c.req.raw.body ?? new Blob().stream(),
      key: headers["backup-key"] ?? "",
      setupCode: headers["setup-code"],
      adapters: c.req.valid("query").adapters === "true",
      isLocal: isLocalAddress(clientAddressOf(c)),
    });
    return c.json({ createdAt, rows, adapters: adapters.done, adaptersLeftOut: adapters.leftOut }, 200);
  });
}
