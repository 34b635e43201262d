/** Owns the routes of `/api/training`. */
import { createRoute } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  startTrainingRequestSchema,
  trainingJobListSchema,
  trainingJobResponseSchema,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import { createRoutes, documentedPath, errorResponses, jsonBody, jsonResponse } from "../../lib/http.ts";
import type { ServerEnv } from "../auth/caller.ts";
import type { TrainingService } from "../services/training_service.ts";
import { idParams, pageQuery, withToken } from "./parameters.ts";

const samples = createRoute({
  ...withToken,
  method: "get",
  path: SERVER_PATHS.trainingSamples,
  summary: "Lists training samples, newest first",
  request: { query: pageQuery },
  responses: {
    200: jsonResponse(trainingSampleListSchema, "A page of samples"),
    ...errorResponses(400, 401, 403, 503),
  },
});

const start = createRoute({
  ...withToken,
  method: "post",
  path: SERVER_PATHS.startTraining,
  summary: "Starts training on the account's samples, one job per device at a time",
  request: { body: jsonBody(startTrainingRequestSchema) },
  responses: {
    202: jsonResponse(trainingJobResponseSchema, "The started job"),
    ...errorResponses(400, 401, 403, 404, 409, 413, 501, 503),
  },
});

const list = createRoute({
  ...withToken,
  method: "get",
  path: SERVER_PATHS.trainingJobs,
  summary: "Lists training jobs, newest first",
  request: { query: pageQuery },
  responses: {
    200: jsonResponse(trainingJobListSchema, "A page of jobs"),
    ...errorResponses(400, 401, 403, 503),
  },
});

const get = createRoute({
  ...withToken,
  method: "get",
  path: documentedPath(SERVER_PATHS.trainingJob),
  summary: "Shows how far a training job is",
  request: { params: idParams },
  responses: {
    200: jsonResponse(trainingJobResponseSchema, "The job"),
    ...errorResponses(400, 401, 403, 404, 503),
  },
});

const cancel = createRoute({
  ...withToken,
  method: "post",
  path: documentedPath(SERVER_PATHS.cancelTrainingJob),
  summary: "Ends a training job",
  request: { params: idParams },
  responses: {
    200: jsonResponse(trainingJobResponseSchema, "The cancelled job"),
    ...errorResponses(400, 401, 403, 404, 409, 503),
  },
});

/** The routes of training. */
export function trainingRoutes({ training }: { training: TrainingService }) {
  return createRoutes<ServerEnv>()
    .openapi(samples, async (c) => c.json(await training.samples(c.var.caller, c.req.valid("query")), 200))
    .openapi(
      start,
      async (c) => c.json({ job: await training.start(c.var.caller, c.req.valid("json")) }, 202),
    )
    .openapi(list, async (c) => c.json(await training.list(c.var.caller, c.req.valid("query")), 200))
    .openapi(
      get,
      async (c) => c.json({ job: await training.get(c.var.caller, c.req.valid("param").id) }, 200),
    )
    .openapi(
      cancel,
      async (c) => c.json({ job: await training.cancel(c.var.caller, c.req.valid("param").id) }, 200),
    );
}
