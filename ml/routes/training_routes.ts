/** `/training`: starting, showing, following and cancelling a job. */
import {
  mlStartTrainingRequestSchema,
  type MlTrainingStatus,
  mlTrainingStatusSchema,
  trainingJobIdSchema,
} from "../../contract/ml_training.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute, z } from "../../deps.ts";
import { type ServerSentEvent, streamEvents, StreamLimiter } from "../../lib/http/event_stream.ts";
import {
  createRoutes,
  documentedPath,
  errorResponses,
  eventStreamContent,
  jsonBody,
  jsonResponse,
} from "../../lib/http/app.ts";
import type { NumberedLine } from "../../lib/line_log.ts";
import type { Logger } from "../../lib/log.ts";
import type { TrainingJobs } from "../services/training_jobs.ts";

/** Twice what the server allows an account: a reader that disconnected may still count for a while. */
const STREAMS_OF_JOB = 32;

const jobParams = z.object({ job_id: trainingJobIdSchema });

const start = createRoute({
  method: "post",
  path: ML_PATHS.startTraining,
  summary: "Queues fine-tuning on the model that is served; jobs run one at a time",
  request: { body: jsonBody(mlStartTrainingRequestSchema) },
  responses: {
    202: jsonResponse(mlTrainingStatusSchema, "The queued job"),
    ...errorResponses(400, 401, 409, 413, 501, 503),
  },
});

const status = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.trainingStatus),
  summary: "Shows a training job",
  request: { params: jobParams },
  responses: { 200: jsonResponse(mlTrainingStatusSchema, "The job"), ...errorResponses(400, 401, 404) },
});

const events = createRoute({
  method: "get",
  path: documentedPath(ML_PATHS.trainingEvents),
  summary: "Follows a training job",
  description: "Server-sent events called `status`, each with a status of the job: all reported so far, or " +
    "those after the header `Last-Event-ID`, then each further one. The stream ends with the job, or with an event " +
    `called \`error\` after a fault. ${STREAMS_OF_JOB} may be open for a job at a time.`,
  request: {
    params: jobParams,
    headers: z.object({
      "last-event-id": z.string().regex(/^[0-9]{1,15}$/, "must be the id of an event").optional(),
    }),
  },
  responses: {
    200: {
      description: "The job's statuses",
      content: eventStreamContent(["status"], { data: mlTrainingStatusSchema }),
    },
    ...errorResponses(400, 401, 404, 429),
  },
});

const cancel = createRoute({
  method: "post",
  path: documentedPath(ML_PATHS.cancelTraining),
  summary: "Ends a training job that has not ended",
  request: { params: jobParams },
  responses: { 200: jsonResponse(mlTrainingStatusSchema, "The job"), ...errorResponses(400, 401, 404, 409) },
});

async function* serverSentEvents(
  statuses: AsyncGenerator<NumberedLine<MlTrainingStatus>>,
): AsyncGenerator<ServerSentEvent> {
  for await (const { number, value } of statuses) {
    yield { event: "status", data: JSON.stringify(value), id: String(number) };
  }
}

/** The routes of training. */
export function trainingRoutes({ trainingJobs, log }: { trainingJobs: TrainingJobs; log: Logger }) {
  const streams = new StreamLimiter(STREAMS_OF_JOB);
  return createRoutes()
    .openapi(start, async (c) => c.json(await trainingJobs.start(c.req.valid("json")), 202))
    .openapi(status, async (c) => c.json(await trainingJobs.status(c.req.valid("param").job_id), 200))
    .openapi(events, async (c) => {
      const { job_id: jobId } = c.req.valid("param");
      const after = Number(c.req.valid("header")["last-event-id"] ?? 0);
      const open = async (signal: AbortSignal) =>
        serverSentEvents(await trainingJobs.events(jobId, { after, signal }));
      // The typed route knows JSON answers only.
      return await streamEvents(c, { slot: streams.acquire(jobId), open, log }) as never;
    })
    .openapi(cancel, async (c) => c.json(await trainingJobs.cancel(c.req.valid("param").job_id), 200));
}
