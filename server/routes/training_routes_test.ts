// Training: which samples ml is given, how a job is followed there, and how it ends.
import assert from "node:assert/strict";
import type { z } from "zod";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { generatedResponseSchema, responseActionResponseSchema } from "../../contract/responses.ts";
import {
  trainingJobListSchema,
  trainingJobResponseSchema,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/sync_batches.ts";

const START = { baseModel: "ministral-3b-instruct", epochs: 3, learningRate: 0.0001 };

interface Trainee {
  server: ServerAppUnderTest;
  token: string;
  /** Samples of an accepted, an edited and a rejected draft. */
  sampleIds: [string, string, string];
}

/** A device whose owner accepted one draft, edited one and rejected one. */
async function startWithSamples(): Promise<Trainee> {
  const server = await startServerApp();
  const { token } = await server.pair();
  const messages = await sendConversation({ server, token }, {
    lines: [[JOHN, "Dinner?"], [JOHN, "Lunch?"], [JOHN, "Tea?"]],
  });
  const actions = [{ action: "accept" }, { action: "edit", editedResponse: "Sure" }, { action: "reject" }];
  const ids: string[] = [];
  for (const [index, action] of actions.entries()) {
    const { responseId } = await server.expect(SERVER_PATHS.generateResponse, {
      token,
      body: { messageId: messages[index]?.id },
      schema: generatedResponseSchema,
    });
    const acted = await server.expect(pathOf(SERVER_PATHS.responseAction, { id: responseId }), {
      token,
      body: action,
      schema: responseActionResponseSchema,
    });
    ids.push(acted.trainingSampleId ?? "");
  }
  const [accepted = "", edited = "", rejected = ""] = ids;
  return { server, token, sampleIds: [accepted, edited, rejected] };
}

type Job = z.infer<typeof trainingJobResponseSchema>["job"];

async function start({ server, token }: Trainee, change: Record<string, unknown> = {}): Promise<Job> {
  const { job } = await server.expect(SERVER_PATHS.startTraining, {
    token,
    body: { ...START, ...change },
    status: 202,
    schema: trainingJobResponseSchema,
  });
  return job;
}

async function read({ server, token }: Trainee, id: string): Promise<Job> {
  const path = pathOf(SERVER_PATHS.trainingJob, { id });
  return (await server.expect(path, { token, schema: trainingJobResponseSchema })).job;
}

Deno.test("samples are listed newest first", async () => {
  const { server, token, sampleIds } = await startWithSamples();
  await using _ = server;
  const { samples, total } = await server.expect(SERVER_PATHS.trainingSamples, {
    token,
    schema: trainingSampleListSchema,
  });
  assert.equal(total, 3);
  assert.deepEqual(samples.map(({ id }) => id), sampleIds.toReversed());
});

Deno.test("a job hands the named samples to ml, each once and without rejected ones", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [accepted, edited, rejected] = trainee.sampleIds;
  const job = await start(trainee, { sampleIds: [edited, accepted.toUpperCase(), edited, rejected] });
  assert.deepEqual(
    {
      status: job.status,
      progress: job.progress,
      error: job.error,
      count: job.sampleCount,
      model: job.baseModel,
    },
    { status: "queued", progress: 0, error: null, count: 2, model: START.baseModel },
  );
  const [request] = server.ml.started;
  assert.ok(request);
  const { samples, ...rest } = request;
  assert.deepEqual(rest, {
    job_id: job.id,
    base_model: START.baseModel,
    epochs: START.epochs,
    learning_rate: START.learningRate,
  });
  assert.deepEqual(samples.map(({ output, quality }) => [output, quality]), [["Sure", 1], [
    "Reply number 1",
    1,
  ]]);
  assert.match(samples[0]?.input ?? "", /Me:$/);
});

Deno.test("without named samples a job learns from all that were not rejected", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  assert.equal((await start(trainee)).sampleCount, 2);
  assert.equal(server.ml.started[0]?.samples.length, 2);
});

Deno.test("sample ids that the account does not have are refused with their index", async () => {
  const { server, token, sampleIds } = await startWithSamples();
  await using _ = server;
  const stranger = await server.pair();
  const refusal = { status: 400, code: "validation_failed" } as const;
  const unknown = await server.refuse(SERVER_PATHS.startTraining, {
    ...refusal,
    token,
    body: { ...START, sampleIds: [sampleIds[0], crypto.randomUUID()] },
  });
  assert.deepEqual(unknown.details?.map(({ path }) => path), ["sampleIds.1"]);
  const foreign = await server.refuse(SERVER_PATHS.startTraining, {
    ...refusal,
    token: stranger.token,
    body: { ...START, sampleIds },
  });
  assert.deepEqual(foreign.details?.map(({ path }) => path), ["sampleIds.0", "sampleIds.1", "sampleIds.2"]);
  const rejectedOnly = { ...START, sampleIds: [sampleIds[2]] };
  await server.refuse(SERVER_PATHS.startTraining, { ...refusal, token, body: rejectedOnly });
  await server.refuse(SERVER_PATHS.startTraining, { ...refusal, token: stranger.token, body: START });
  assert.equal(server.ml.started.length, 0);
});

const BAD_STARTS: [Record<string, unknown>, string][] = [
  [{ baseModel: "../../etc/passwd" }, "baseModel"],
  [{ baseModel: "https://example.com/model" }, "baseModel"],
  [{ epochs: 0 }, "epochs"],
  [{ epochs: 1.5 }, "epochs"],
  [{ learningRate: 0 }, "learningRate"],
  [{ sampleIds: [] }, "sampleIds"],
  [{ sampleIds: ["x"] }, "sampleIds.0"],
];

Deno.test("a faulty start is refused with the path of its fault", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [change, path] of BAD_STARTS) {
    const { details } = await server.refuse(SERVER_PATHS.startTraining, {
      token,
      body: { ...START, ...change },
      status: 400,
      code: "validation_failed",
    });
    assert.equal(details?.[0]?.path, path);
  }
});

Deno.test("a job's status is ml's, and the last known one while ml is away", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await start(trainee);
  server.ml.trainingJobs.set(id, { job_id: id, status: "training", progress: 45, error: null });
  const training = await read(trainee, id);
  assert.deepEqual([training.status, training.progress], ["training", 45]);
  assert.notEqual(training.startedAt, null);
  await server.ml.goDown();
  assert.deepEqual(await read(trainee, id), training);
  server.ml.comeBack();
  server.ml.trainingJobs.set(id, { job_id: id, status: "completed", progress: 100, error: null });
  const { jobs } = await server.expect(SERVER_PATHS.trainingJobs, {
    token: trainee.token,
    schema: trainingJobListSchema,
  });
  assert.deepEqual(jobs.map(({ status, progress }) => [status, progress]), [["completed", 100]]);
  server.ml.trainingJobs.clear();
  assert.equal((await read(trainee, id)).status, "completed", "an ended job is not asked for again");
});

Deno.test("a job that ml has lost has failed", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await start(trainee);
  server.ml.trainingJobs.clear();
  const job = await read(trainee, id);
  assert.equal(job.status, "failed");
  assert.match(job.error ?? "", /does not know/);
});

Deno.test("a device trains once at a time, and again once ml has finished", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await start(trainee);
  await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 409,
    code: "conflict",
  });
  server.ml.trainingJobs.set(id, { job_id: id, status: "completed", progress: 100, error: null });
  assert.notEqual((await start(trainee)).id, id);
});

Deno.test("what ml answers to a start is answered, and the job has failed with its reason", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  server.ml.behaviour = { kind: "fail", code: "not_implemented", message: "Training is not built yet" };
  await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 501,
    code: "not_implemented",
  });
  const { jobs } = await server.expect(SERVER_PATHS.trainingJobs, {
    token: trainee.token,
    schema: trainingJobListSchema,
  });
  assert.deepEqual(jobs.map(({ status, error }) => [status, error]), [[
    "failed",
    "Training is not built yet",
  ]]);
  await server.ml.goDown();
  await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 503,
    code: "ml_unavailable",
  });
  server.ml.comeBack();
  server.ml.behaviour = { kind: "answer" };
  assert.equal((await start(trainee)).status, "queued");
});

Deno.test("a job is cancelled on ml, once; one that has ended cannot be", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await start(trainee);
  const path = pathOf(SERVER_PATHS.cancelTrainingJob, { id });
  const cancel = { method: "POST", token: trainee.token };
  for (const _ of ["first", "repeated"]) {
    const { job } = await server.expect(path, { ...cancel, schema: trainingJobResponseSchema });
    assert.equal(job.status, "cancelled");
  }
  assert.equal(server.ml.trainingJobs.get(id)?.status, "cancelled");
  const second = await start(trainee);
  server.ml.trainingJobs.set(second.id, {
    job_id: second.id,
    status: "completed",
    progress: 100,
    error: null,
  });
  assert.equal((await read(trainee, second.id)).status, "completed");
  await server.refuse(pathOf(SERVER_PATHS.cancelTrainingJob, { id: second.id }), {
    ...cancel,
    status: 409,
    code: "conflict",
  });
});
