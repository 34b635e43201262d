/** The routes of training jobs: `/api/training/start` and `/api/training/jobs`. */
import { z } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { pageQuery } from "../../contract/paging.ts";
import {
  startTrainingRequestSchema,
  type TrainingJob,
  trainingJobListSchema,
  trainingJobResponseSchema,
} from "../../contract/training.ts";
import { type ServerSentEvent, streamEvents, StreamLimiter } from "../../lib/http/event_stream.ts";
import { idParams } from "../../contract/scalars.ts";
import { createRoutes, eventStreamContent, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { Logger } from "../../lib/log.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { JobEvent } from "../services/training/job_sync.ts";
import type { TrainingService } from "../services/training/training_service.ts";

/** A person's windows and devices, and then some. */
const STREAMS_OF_ACCOUNT = 16;

const start = tokenRoute("post", SERVER_PATHS.startTraining, {
  summary: "Starts training on the account's samples, one job per device at a time",
  request: { body: jsonBody(startTrainingRequestSchema) },
  responses: { 202: jsonResponse(trainingJobResponseSchema, "The started job") },
  errors: [404, 409, 501],
});

const list = tokenRoute("get", SERVER_PATHS.trainingJobs, {
  summary: "Lists training jobs, newest first",
  request: { query: pageQuery },
  responses: { 200: jsonResponse(trainingJobListSchema, "A page of jobs") },
});

const get = tokenRoute("get", SERVER_PATHS.trainingJob, {
  summary: "Shows how far a training job is",
  request: { params: idParams },
  responses: { 200: jsonResponse(trainingJobResponseSchema, "The job") },
});

const cancel = tokenRoute("post", SERVER_PATHS.cancelTrainingJob, {
  summary: "Ends a training job",
  request: { params: idParams },
  responses: { 200: jsonResponse(trainingJobResponseSchema, "The cancelled job") },
  errors: [409],
});

const events = tokenRoute("get", SERVER_PATHS.trainingJobEvents, {
  summary:
    "Follows a training job: server-sent events `training:progress`, each with the job, until it has ended",
  description:
    "First the job as it is, then its course from the start, or after the header `Last-Event-ID`. An " +
    `account may hold ${STREAMS_OF_ACCOUNT} such streams open. A fault on the way ends the stream with \`error\`.`,
  request: {
    params: idParams,
    headers: z.object({
      "last-event-id": z.string().regex(/^[0-9]{1,15}$/, "must be the id of an event").optional(),
    }),
  },
  responses: {
    200: {
      description: "The job, moment by moment",
      content: eventStreamContent(["training:progress"], { data: trainingJobResponseSchema }),
    },
  },
  errors: [429],
});

async function* serverSentEvents(
  events: AsyncGenerator<JobEvent<TrainingJob>>,
): AsyncGenerator<ServerSentEvent> {
  for await (const { id, job } of events) {
    yield { event: "training:progress", data: JSON.stringify({ job }), id: id ?? undefined };
  }
}

/** The routes of training jobs. */
export function trainingRoutes({ training, log }: { training: TrainingService; log: Logger }) {
  const streams = new StreamLimiter(STREAMS_OF_ACCOUNT);
  return createRoutes<ServerEnv>()
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
    )
    .openapi(events, async (c) => {
      const { caller } = c.var;
      const job = { jobId: c.req.valid("param").id, lastEventId: c.req.valid("header")["last-event-id"] };
      const open = async (signal: AbortSignal) =>
        serverSentEvents(await training.watch(caller, { ...job, signal }));
      return await streamEvents(c, { slot: streams.acquire(caller.accountId), open, log });
    });
}
