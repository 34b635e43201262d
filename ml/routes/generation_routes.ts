/** Owns `POST /generate`: one JSON answer, or the reply as it grows. */
import { generateRequestSchema, generateResultSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { createRoutes, errorResponses, jsonBody, jsonResponse } from "../../lib/http/app.ts";
import type { Logger } from "../../lib/log.ts";
import type { GenerationService } from "../services/generation_service.ts";
import { streamGeneration } from "./generation_stream.ts";

const generate = createRoute({
  method: "post",
  path: ML_PATHS.generate,
  summary: "Generates a reply",
  description: "With `Accept: text/event-stream` the answer is a stream of events: `token` with " +
    "`{ text }` for each further piece, then `done` with the body of the JSON answer, or `error` with an error body.",
  request: { body: jsonBody(generateRequestSchema) },
  responses: {
    200: jsonResponse(generateResultSchema, "The reply"),
    ...errorResponses(400, 401, 404, 413, 503),
  },
});

/** The client went away: nobody reads the answer, the log should not show a failure. */
function unlessAborted(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? new ApiError("cancelled", "The client ended the request", { cause: error }) : error;
}

/** The route of generation. */
export function generationRoutes(options: { generation: GenerationService; log: Logger }) {
  const { generation, log } = options;
  return createRoutes().openapi(generate, async (c) => {
    const request = c.req.valid("json");
    const { signal } = c.req.raw;
    try {
      if (c.req.header("accept")?.includes("text/event-stream")) {
        // The typed route knows JSON answers only; a stream is described in its text.
        return await streamGeneration(c, { request, generation, log }) as never;
      }
      return c.json(await generation.generate(request, { signal }), 200);
    } catch (error) {
      throw unlessAborted(error, signal);
    }
  });
}
