/** The routes of `/api/training/samples`. */
import { z } from "../../deps.ts";
import { deletionQuerySchema, deletionSchema } from "../../contract/conversations.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  importSamplesRequestSchema,
  importSamplesResponseSchema,
  samplesQuerySchema,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import { idParams } from "../../contract/scalars.ts";
import { createRoutes, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { TrainingService } from "../services/training/training_service.ts";

/** One JSON value a line. */
const JSON_LINES = "application/x-ndjson";

const list = tokenRoute("get", SERVER_PATHS.trainingSamples, {
  summary: "Lists training samples, newest first",
  request: { query: samplesQuerySchema },
  responses: { 200: jsonResponse(trainingSampleListSchema, "A page of samples") },
});

const importOwn = tokenRoute("post", SERVER_PATHS.importTrainingSamples, {
  summary: "Makes samples of replies that the person sent; again, it makes those that are missing",
  request: { body: jsonBody(importSamplesRequestSchema) },
  responses: {
    200: jsonResponse(importSamplesResponseSchema, "How many samples were made, and why not more"),
  },
});

const exportAll = tokenRoute("get", SERVER_PATHS.exportTrainingSamples, {
  summary: "All training samples, newest first, one JSON object a line",
  responses: {
    200: {
      description: "The samples",
      content: { [JSON_LINES]: { schema: z.string().describe("Each line is a TrainingSample") } },
    },
  },
});

const remove = tokenRoute("delete", SERVER_PATHS.trainingSample, {
  summary: "Deletes a training sample; adapters that learned from it are used no more",
  request: { params: idParams, query: deletionQuerySchema },
  responses: { 200: jsonResponse(deletionSchema, "What went") },
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
    .openapi(remove, async (c) => {
      const sample = { ...c.req.valid("param"), ...c.req.valid("query") };
      return c.json(await training.deleteSample(c.var.caller, sample), 200);
    });
}
