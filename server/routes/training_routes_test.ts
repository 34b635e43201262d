/** Tests training: which samples ml is given, how a job is followed, and how it ends. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  trainingJobListSchema,
  trainingJobResponseSchema,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import type { TrainingMetrics } from "../../contract/training_figures.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  completedStatus,
  OFFERED,
  pairTrainee,
  readJob,
  readModels,
  runningStatus,
  START,
  startJob,
  startWithSamples,
} from "../../tests/support/server/trainee.ts";

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

Deno.test("without a base model a job trains the one that ml serves, once it serves one", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  server.ml.health = { ...server.ml.health, model_version: null };
  const { baseModel: _, ...body } = START;
  const refusal = { token: trainee.token, body, status: 503, code: "model_not_loaded" } as const;
  await server.refuse(SERVER_PATHS.startTraining, refusal);
  server.ml.health = { ...server.ml.health, model_version: "served-model" };
  const job = await startJob(trainee, { baseModel: undefined });
  assert.equal(job.baseModel, "served-model");
  assert.equal(server.ml.started[0]?.base_model, "served-model");
});

Deno.test("a job hands the named samples to ml, each once and without rejected ones", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [accepted, edited, rejected] = trainee.sampleIds;
  const job = await startJob(trainee, { sampleIds: [edited, accepted.toUpperCase(), edited, rejected] });
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
    method: "sft",
  });
  assert.deepEqual(samples.map(({ id, rejected }) => [id, rejected]), [[edited, undefined], [
    accepted,
    undefined,
  ]]);
  const weights = samples.map(({ output, quality }) => [output, quality.toFixed(3)]);
  assert.deepEqual(
    weights,
    [["Sure", "0.929"], ["Reply number 1", "0.500"]],
    "what was corrected weighs more",
  );
  assert.match(samples[0]?.input ?? "", /Me:$/);
});

Deno.test("without named samples a job learns from all that were not rejected", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  assert.equal((await startJob(trainee)).sampleCount, 2);
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
  [{ learningRate: 1e-46 }, "learningRate"],
  [{ learningRate: 5e-324 }, "learningRate"],
  [{ learningRate: 1e-9 }, "learningRate"],
  [{ lora: { alpha: 1e-46 } }, "lora.alpha"],
  [{ lora: { dropout: 0.999999999999 } }, "lora.dropout"],
  [{ sampleIds: [] }, "sampleIds"],
  [{ sampleIds: ["x"] }, "sampleIds.0"],
  [{ method: "rlhf" }, "method"],
  [{ seed: -1 }, "seed"],
  [{ batchSize: 0 }, "batchSize"],
  [{ lora: { rank: 0 } }, "lora.rank"],
  [{ lora: { targets: ["token_embd"] } }, "lora.targets.0"],
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

Deno.test("a job's status is ml's, and the last known one while ml is unavailable", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.trainingJobs.set(id, { job_id: id, status: "training", progress: 45, error: null });
  const training = await readJob(trainee, id);
  assert.deepEqual([training.status, training.progress], ["training", 45]);
  assert.notEqual(training.startedAt, null);
  await server.ml.goDown();
  assert.deepEqual(await readJob(trainee, id), training);
  await server.ml.comeBack();
  server.ml.trainingJobs.set(id, { job_id: id, status: "completed", progress: 100, error: null });
  const { jobs } = await server.expect(SERVER_PATHS.trainingJobs, {
    token: trainee.token,
    schema: trainingJobListSchema,
  });
  assert.deepEqual(jobs.map(({ status, progress }) => [status, progress]), [["completed", 100]]);
  server.ml.trainingJobs.clear();
  assert.equal((await readJob(trainee, id)).status, "completed", "an ended job is not asked for again");
});

Deno.test("a job that ml has lost has failed", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.trainingJobs.clear();
  const job = await readJob(trainee, id);
  assert.equal(job.status, "failed");
  assert.match(job.error ?? "", /does not know/);
});

Deno.test("a device trains once at a time, and again once ml has finished", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 409,
    code: "conflict",
  });
  server.ml.trainingJobs.set(id, { job_id: id, status: "completed", progress: 100, error: null });
  assert.notEqual((await startJob(trainee)).id, id);
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
  await server.ml.comeBack();
  server.ml.behaviour = { kind: "answer" };
  assert.equal((await startJob(trainee)).status, "queued");
});

Deno.test("a job is cancelled on ml, once; one that has ended cannot be", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  const path = pathOf(SERVER_PATHS.cancelTrainingJob, { id });
  const cancel = { method: "POST", token: trainee.token };
  for (const _ of ["first", "repeated"]) {
    const { job } = await server.expect(path, { ...cancel, schema: trainingJobResponseSchema });
    assert.equal(job.status, "cancelled");
  }
  assert.equal(server.ml.trainingJobs.get(id)?.status, "cancelled");
  const second = await startJob(trainee);
  server.ml.trainingJobs.set(second.id, {
    job_id: second.id,
    status: "completed",
    progress: 100,
    error: null,
  });
  assert.equal((await readJob(trainee, second.id)).status, "completed");
  await server.refuse(pathOf(SERVER_PATHS.cancelTrainingJob, { id: second.id }), {
    ...cancel,
    status: 409,
    code: "conflict",
  });
});

Deno.test("cancels of a job at the same time answer as repeated ones do", async () => {
  const together = Promise.withResolvers<void>();
  let arrived = 0;
  await using server = await startServerApp({
    wrapMl: (ml) => ({
      ...ml,
      cancelTraining: async (jobId) => {
        if (++arrived === 5) together.resolve();
        await together.promise;
        return await ml.cancelTraining(jobId);
      },
    }),
  });
  const trainee = await pairTrainee(server);
  const { id } = await startJob(trainee);
  const path = pathOf(SERVER_PATHS.cancelTrainingJob, { id });
  const cancel = { method: "POST", token: trainee.token, schema: trainingJobResponseSchema };
  const answers = await Promise.all(Array.from({ length: 5 }, () => server.expect(path, cancel)));
  assert.deepEqual(answers.map(({ job }) => job.status), Array(5).fill("cancelled"));
});

Deno.test("a job takes seed, batch and LoRA settings, and hands them to ml", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const lora = { rank: 4, alpha: 8, targets: ["attn_q", "attn_v"], layers: 6 };
  await startJob(trainee, { seed: 7, batchSize: 4, lora });
  const [request] = server.ml.started;
  assert.deepEqual([request?.seed, request?.batch_size, request?.lora], [7, 4, lora]);
});

Deno.test("with dpo a job learns from edits alone: the edit is chosen, its draft rejected", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [accepted, edited] = trainee.sampleIds;
  const job = await startJob(trainee, { method: "dpo" });
  assert.deepEqual([job.method, job.sampleCount], ["dpo", 1]);
  const [request] = server.ml.started;
  assert.equal(request?.method, "dpo");
  assert.deepEqual(
    request?.samples.map(({ id, output, rejected }) => [id, output, rejected]),
    [[edited, "Sure", "Reply number 2"]],
  );
  const refusal = await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: { ...START, method: "dpo", sampleIds: [accepted] },
    status: 400,
    code: "validation_failed",
  });
  assert.match(refusal.message, /edited/);
});

Deno.test("a job shows the progress that ml reports, also after it has ended", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id, metrics } = await startJob(trainee);
  assert.equal(metrics, null);
  server.ml.reportTraining(runningStatus(id));
  const course = {
    phase: "training",
    step: 9,
    steps: 20,
    epoch: 1,
    loss: 2.75,
    heldOutLoss: 3.5,
    evaluated: null,
    toEvaluate: null,
    learningRate: 0.0001,
    tokensPerSecond: 250,
    etaMs: 60_000,
    excluded: { duplicate: 1 },
    memoryBytes: 1_000_000,
    result: null,
  };
  assert.deepEqual((await readJob(trainee, id)).metrics, course);
  server.ml.reportTraining(completedStatus(id));
  const ended = await readJob(trainee, id);
  assert.deepEqual([ended.status, ended.metrics?.result], ["completed", {
    adapterId: `adapter-${id}`,
    offered: true,
    offerReason: OFFERED,
    baseLoss: 3.5,
    examplesLoss: 3.375,
    adapterLoss: 3.25,
    heldOutSamples: 1,
    trainSamples: 1,
    heldOutIds: null,
  }]);
  server.ml.trainingJobs.clear();
  assert.deepEqual(await readJob(trainee, id), ended);
});

Deno.test("a job that failed shows what happened and what to do; one of an older ml has no fix", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const fix = "Lower the learning rate";
  const { id } = await startJob(trainee);
  server.ml.reportTraining(runningStatus(id, { status: "failed", error: "Training diverged", fix }));
  const ended = await readJob(trainee, id);
  assert.deepEqual([ended.status, ended.error, ended.fix], ["failed", "Training diverged", fix]);
  server.ml.trainingJobs.clear();
  assert.deepEqual(await readJob(trainee, id), ended);
  const { id: other } = await startJob(trainee);
  server.ml.reportTraining(runningStatus(other, { status: "failed", error: "It failed: try again" }));
  const older = await readJob(trainee, other);
  assert.deepEqual([older.error, older.fix], ["It failed: try again", null]);
});

Deno.test("a row of an earlier version is shown with null for the figures that came later", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(runningStatus(id));
  const { metrics } = await readJob(trainee, id);
  assert.ok(metrics);
  const { tokensPerSecond: _, ...older } = metrics;
  const [row] = await server.store.trainingJobs.listLive();
  const change = { jobId: id, status: "failed", metrics: older as TrainingMetrics } as const;
  await server.store.trainingJobs.update(row?.accountId ?? "", change);
  assert.deepEqual((await readJob(trainee, id)).metrics, { ...metrics, tokensPerSecond: null });
});

Deno.test("a job that ends while nobody asks has its adapter after the next pass, and only one", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(completedStatus(id));
  assert.deepEqual((await readModels(trainee)).adapters, []);
  await server.reconciler.reconcile();
  await server.reconciler.reconcile();
  await readJob(trainee, id);
  const { adapters } = await readModels(trainee);
  assert.deepEqual(adapters.map(({ jobId, state, baseModel }) => [jobId, state, baseModel]), [[
    id,
    "staged",
    START.baseModel,
  ]]);
});

Deno.test("a fault that ml finds in a start is answered with the server's own field names", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const details = [{ path: "base_model", message: "must be the model that is served" }, {
    path: "samples.1.output",
    message: "is too long",
  }];
  server.ml.behaviour = { kind: "fail", code: "validation_failed", message: "at base_model", details };
  const refusal = await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 400,
    code: "validation_failed",
  });
  assert.equal(refusal.message, "The request is not valid at baseModel: must be the model that is served");
  assert.deepEqual(refusal.details?.map(({ path }) => path), ["baseModel", "sampleIds.1.output"]);
});

Deno.test("a job that ml took while its answer was lost is stopped there, and the device may train again", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  server.ml.behaviour = { kind: "lose_answer" };
  await server.refuse(SERVER_PATHS.startTraining, {
    token: trainee.token,
    body: START,
    status: 503,
    code: "ml_unavailable",
  });
  const [lost = ""] = [...server.ml.trainingJobs.keys()];
  assert.equal(server.ml.trainingJobs.get(lost)?.status, "queued");
  server.ml.behaviour = { kind: "answer" };
  await server.reconciler.reconcile();
  assert.equal(server.ml.trainingJobs.get(lost)?.status, "cancelled");
  assert.equal((await readJob(trainee, lost)).status, "failed");
  assert.equal((await startJob(trainee)).status, "queued");
});
