/** Owns `/training`: requests are checked and answered that this service cannot train. */
import {
  mlStartTrainingRequestSchema,
  mlTrainingStatusSchema,
  trainingJobIdSchema,
} from "../../contract/ml_training.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute, z } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { createRoutes, documentedPath, errorResponses, jsonBody, jsonResponse } from "../../lib/http.ts";

const jobParams = z.object({ job_id: trainingJobIdSchema });

const start = createRoute({
  method: "post",
  path: ML_PATHS.startTraining,
  summary: "Starts fine-tuning",
  request: { body: jsonBody(mlStartTrainingRequestSchema) },
  responses: {
    202: jsonResponse(mlTrainingStatusSchema, "The started job"),
    ...errorResponses(400, 401, 413, 501),
  },
});

const status = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.trainingStatus),
  summary: "Shows a training job",
  request: { params: jobParams },
  responses: { 200: jsonResponse(mlTrainingStatusSchema, "The job"), ...errorResponses(400, 401, 404) },
});

const cancel = createRoute({
  method: "post",
  path: documentedPath(ML_PATHS.cancelTraining),
  summary: "Ends a training job",
  request: { params: jobParams },
  responses: { 200: jsonResponse(mlTrainingStatusSchema, "The job"), ...errorResponses(400, 401, 404) },
});

function noSuchJob(jobId: string): ApiError {
  return new ApiError("not_found", `There is no training job ${jobId}`);
}

/** The routes of training. */
export function trainingRoutes() {
  return createRoutes()
    .openapi(start, () => {
      throw new ApiError("not_implemented", "This ml service cannot train models; nothing was started");
    })
    .openapi(status, (c) => {
      throw noSuchJob(c.req.valid("param").job_id);
    })
    .openapi(cancel, (c) => {
      throw noSuchJob(c.req.valid("param").job_id);
    });
}
