/** Owns generation in the background: `POST /generate/async`, its status and its end. */
import {
  generateAsyncResponseSchema,
  generateRequestSchema,
  generateStatusResponseSchema,
} from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { idSchema } from "../../contract/scalars.ts";
import { createRoute, z } from "../../deps.ts";
import { createRoutes, documentedPath, errorResponses, jsonBody, jsonResponse } from "../../lib/http/app.ts";
import type { GenerationJobs } from "../services/generation_jobs.ts";

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

const status = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.generateStatus),
  summary: "Shows a queued generation",
  request: { params: jobParams },
  responses: {
    200: jsonResponse(generateStatusResponseSchema, "The job"),
    ...errorResponses(400, 401, 404),
  },
});

const cancel = createRoute({
  method: "post",
  path: documentedPath(ML_PATHS.cancelGenerate),
  summary: "Ends a generation that is not finished",
  request: { params: jobParams },
  responses: {
    200: jsonResponse(generateStatusResponseSchema, "The job"),
    ...errorResponses(400, 401, 404),
  },
});

/** The routes of background generation. */
export function generationJobRoutes({ generationJobs }: { generationJobs: GenerationJobs }) {
  return createRoutes()
    .openapi(enqueue, async (c) => {
      const jobId = await generationJobs.enqueue(c.req.valid("json"));
      return c.json({ job_id: jobId, status: "queued" as const }, 202);
    })
    .openapi(status, async (c) => c.json(await generationJobs.status(c.req.valid("param").job_id), 200))
    .openapi(cancel, async (c) => c.json(await generationJobs.cancel(c.req.valid("param").job_id), 200));
}
