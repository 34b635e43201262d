/** `POST /generate` as one answer, a stream of events or a background job, and `POST /evaluate`. */
import {
  evaluateRequestSchema,
  evaluateResponseSchema,
  generateAsyncResponseSchema,
  type GenerateRequest,
  generateRequestSchema,
  type GenerateResult,
  generateResultSchema,
  generateStatusResponseSchema,
} from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { idSchema } from "../../contract/scalars.ts";
import { type Context, createRoute, streamSSE, z } from "../../deps.ts";
import { errorBodyOf, logFieldsOfError } from "../../lib/errors.ts";
import {
  type ApiEnv,
  createRoutes,
  documentedPath,
  errorResponses,
  eventStreamContent,
  jsonBody,
  jsonResponse,
} from "../../lib/http/app.ts";
import type { Logger } from "../../lib/log.ts";
import type { GenerationJobs } from "../services/generation_jobs.ts";
import type { GenerationService } from "../services/generation_service.ts";
import { startGeneration, unlessAborted } from "./generation_stream.ts";

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

/**
 * Answers with server-sent events: `token` for each piece, then `done` or `error`.
 *
 * The response starts with the first piece: what fails before it is an ordinary error with its status.
 */
async function streamGeneration(
  c: Context<ApiEnv>,
  { request, generation, log }: { request: GenerateRequest; generation: GenerationService; log: Logger },
): Promise<Response> {
  const { pieces, result, signal, leave } = await startGeneration<string, GenerateResult>(
    c,
    ({ signal, onPiece }) => generation.generate(request, { signal, onToken: onPiece }),
  );
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    for await (const text of pieces) {
      await stream.writeSSE({ event: "token", data: JSON.stringify({ text }) });
    }
    const ending = await result.then(
      (answer) => ({ event: "done", data: JSON.stringify(answer) }),
      (error: unknown) => {
        if (!signal.aborted) log.error("generation failed", logFieldsOfError(error));
        return { event: "error", data: JSON.stringify(errorBodyOf(error, c.get("requestId"))) };
      },
    );
    await stream.writeSSE(ending);
  });
}

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
        if (c.req.header("accept")?.includes("text/event-stream")) {
          // The typed route knows JSON answers only; a stream is described in its text.
          return await streamGeneration(c, { request, generation, log }) as never;
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
