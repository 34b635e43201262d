/** `POST /generate` as one answer, a stream of events or a background job, and `POST /evaluate`. */
import {
  evaluateRequestSchema,
  evaluateResponseSchema,
  generateAsyncResponseSchema,
  generateRequestSchema,
  type GenerateResult,
  generateResultSchema,
  generateStatusResponseSchema,
} from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { idSchema } from "../../contract/scalars.ts";
import { createRoute, z } from "../../deps.ts";
import {
  createRoutes,
  documentedPath,
  errorResponses,
  eventStreamContent,
  jsonBody,
  jsonResponse,
} from "../../lib/http/app.ts";
import { invalidRequest } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { GenerationJobs } from "../services/generation_jobs.ts";
import type { GenerationService } from "../services/generation_service.ts";
import {
  asksForEvents,
  type StreamedWork,
  streamGeneration,
  unlessAborted,
} from "../../lib/http/streamed_work.ts";

const generate = createRoute({
  method: "post",
  path: ML_PATHS.generate,
  summary: "Generates a reply",
  description: "With `Accept: text/event-stream` the answer is a stream of events: `token` with " +
    "`{ text }` for each further piece, then `done` with the body of the JSON answer, or `error` with an error body.",
  request: { body: jsonBody(generateRequestSchema) },
  responses: {
    200: {
      description: "The reply",
      content: {
        "application/json": { schema: generateResultSchema },
        ...eventStreamContent(["token", "done"]),
      },
    },
    ...errorResponses(400, 401, 404, 409, 413, 501, 503),
  },
});

const jobParams = z.object({ job_id: idSchema });

const enqueue = createRoute({
  method: "post",
  path: ML_PATHS.generateAsync,
  summary: "Queues a generation",
  request: { body: jsonBody(generateRequestSchema) },
  responses: {
    202: jsonResponse(generateAsyncResponseSchema, "The queued job"),
    ...errorResponses(400, 401, 413, 503),
  },
});

const jobStatus = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.generateStatus),
  summary: "Shows a queued generation",
  request: { params: jobParams },
  responses: {
    200: jsonResponse(generateStatusResponseSchema, "The job"),
    ...errorResponses(400, 401, 404),
  },
});

const cancelJob = createRoute({
  method: "post",
  path: documentedPath(ML_PATHS.cancelGenerate),
  summary: "Ends a generation that is not finished",
  request: { params: jobParams },
  responses: {
    200: jsonResponse(generateStatusResponseSchema, "The job"),
    ...errorResponses(400, 401, 404),
  },
});

const evaluate = createRoute({
  method: "post",
  path: ML_PATHS.evaluate,
  summary: "Says how probable the model finds replies that were really given",
  request: { body: jsonBody(evaluateRequestSchema) },
  responses: {
    200: jsonResponse(evaluateResponseSchema, "Log-likelihoods and their loss"),
    ...errorResponses(400, 401, 404, 409, 413, 501, 503),
  },
});

/** The routes of generation and evaluation. */
export function generationRoutes(
  { generation, generationJobs, log }: {
    generation: GenerationService;
    generationJobs: GenerationJobs;
    log: Logger;
  },
) {
  return createRoutes()
    .openapi(generate, async (c) => {
      const request = c.req.valid("json");
      const { signal } = c.req.raw;
      try {
        if (asksForEvents(c)) {
          if ((request.n ?? 1) > 1) {
            throw invalidRequest([{ path: "n", message: "must be 1 for a stream of events" }]);
          }
          const generate: StreamedWork<string, GenerateResult> = ({ signal, onPiece }) =>
            generation.generate(request, { signal, onToken: onPiece });
          // The typed route knows JSON answers only; a stream is described in its text.
          return await streamGeneration(c, { generate, lastEvent: "done", log }) as never;
        }
        return c.json(await generation.generate(request, { signal }), 200);
      } catch (error) {
        throw unlessAborted(error, signal);
      }
    })
    .openapi(enqueue, async (c) => {
      const { job_id, position } = await generationJobs.enqueue(c.req.valid("json"));
      return c.json({ job_id, status: "queued" as const, position }, 202);
    })
    .openapi(jobStatus, async (c) => c.json(await generationJobs.status(c.req.valid("param").job_id), 200))
    .openapi(cancelJob, async (c) => c.json(await generationJobs.cancel(c.req.valid("param").job_id), 200))
    .openapi(evaluate, async (c) => {
      const { signal } = c.req.raw;
      return c.json(await generation.evaluate(c.req.valid("json"), { signal }), 200);
    });
}
