/** The routes of `/api/training/samples`. */
import { createRoute, z } from "../../deps.ts";
import { deletionSchema } from "../../contract/conversations.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  importSamplesRequestSchema,
  importSamplesResponseSchema,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import { createRoutes, documentedPath, errorResponses, jsonBody, jsonResponse } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { TrainingService } from "../services/training/training_service.ts";
import { idParams, pageQuery, withToken } from "./parameters.ts";

/** One JSON value a line. */
const JSON_LINES = "application/x-ndjson";

const list = createRoute({
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

const importOwn = createRoute({
  ...withToken,
  method: "post",
  path: SERVER_PATHS.importTrainingSamples,
  summary: "Makes samples of replies that the person sent; again, it makes those that are missing",
  request: { body: jsonBody(importSamplesRequestSchema) },
  responses: {
    200: jsonResponse(importSamplesResponseSchema, "How many samples were made, and why not more"),
    ...errorResponses(400, 401, 403, 413, 503),
  },
});

const exportAll = createRoute({
  ...withToken,
  method: "get",
  path: SERVER_PATHS.exportTrainingSamples,
  summary: "All training samples, newest first, one JSON object a line",
  responses: {
    200: {
      description: "The samples",
      content: { [JSON_LINES]: { schema: z.string().describe("Each line is a TrainingSample") } },
    },
    ...errorResponses(401, 403, 503),
  },
});

const remove = createRoute({
  ...withToken,
  method: "delete",
  path: documentedPath(SERVER_PATHS.trainingSample),
  summary: "Deletes a training sample; adapters that learned from it are used no more",
  request: { params: idParams },
  responses: {
    200: jsonResponse(deletionSchema, "What went"),
    ...errorResponses(400, 401, 403, 404, 503),
  },
});

/** The lines as a body; the first ones are read before it starts, so that an unavailable database is an error. */
async function bodyOf(lines: AsyncGenerator<string>): Promise<ReadableStream<Uint8Array>> {
  const first = await lines.next();
  async function* all() {
    if (!first.done) yield first.value;
    yield* lines;
  }
  return ReadableStream.from(all()).pipeThrough(new TextEncoderStream());
}

/** The routes of training samples. */
export function sampleRoutes({ training }: { training: TrainingService }) {
  return createRoutes<ServerEnv>()
    .openapi(list, async (c) => c.json(await training.samples(c.var.caller, c.req.valid("query")), 200))
    .openapi(
      importOwn,
      async (c) => c.json(await training.importSamples(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(exportAll, async (c) => {
      const body = await bodyOf(training.exportSamples(c.var.caller));
      // The typed route knows JSON answers only.
      return c.body(body, 200, {
        "content-type": JSON_LINES,
        "content-disposition": 'attachment; filename="training-samples.jsonl"',
      }) as never;
    })
    .openapi(
      remove,
      async (c) => c.json(await training.deleteSample(c.var.caller, c.req.valid("param").id), 200),
    );
}
