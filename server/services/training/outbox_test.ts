/** Tests the dispatch of the outbox to ml: a message that ml refuses blocks no other, and ends in a visible state. */
import assert from "node:assert/strict";
import type { ServerAppUnderTest } from "../../../tests/support/server/server_app.ts";
import {
  completedStatus,
  pairTrainee,
  readJob,
  runningStatus,
  startJob,
  startWithSamples,
  trainAdapter,
  type Trainee,
} from "../../../tests/support/server/trainee.ts";

const HOUR_MS = 3_600_000;

/** Deletes samples of a trainee in the store: the outbox then has a taint for each adapter that learned from them. */
async function deleteSamples({ server, token }: Trainee, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const response = await server.request(`/api/training/samples/${id}`, { method: "DELETE", token });
    assert.equal(response.status, 200, await response.text());
  }
}

function waiting({ store }: ServerAppUnderTest): Promise<readonly { target: string }[]> {
  return store.mlOutbox.list({ after: 0, limit: 100 });
}

/** Two adapters, each of a sample of its own, that are to be tainted. */
async function withTwoTaints(trainee: Trainee): Promise<{ first: string; second: string }> {
  const [accepted, edited] = trainee.sampleIds;
  const first = await trainAdapter(trainee, { sampleIds: [accepted] });
  const second = await trainAdapter(trainee, { sampleIds: [edited] });
  await deleteSamples(trainee, [accepted, edited]);
  return { first, second };
}

/** A live job as the database has it, without asking ml; undefined when it has ended. */
async function liveJob({ store }: ServerAppUnderTest, id: string) {
  return (await store.trainingJobs.listLive()).find((job) => job.id === id);
}

for (const code of ["internal", "validation_failed"] as const) {
  Deno.test(`a message that ml answers with ${code} holds up neither another message nor a job`, async () => {
    const trainee = await startWithSamples();
    await using server = trainee.server;
    const { first, second } = await withTwoTaints(trainee);
    const other = await pairTrainee(server);
    const { id } = await startJob(other);
    server.ml.reportTraining(completedStatus(id));
    server.ml.refusing.set(first, code);
    await server.reconciler.reconcile();
    assert.equal(server.ml.adapters.get(second), "tainted");
    assert.equal(await liveJob(server, id), undefined);
  });
}

Deno.test("a message that ml can never take just now comes after the others the next time", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { first, second } = await withTwoTaints(trainee);
  const { id } = await startJob(await pairTrainee(server));
  server.ml.reportTraining(completedStatus(id));
  server.ml.refusing.set(first, "queue_full");
  await server.reconciler.reconcile();
  assert.equal(await liveJob(server, id), undefined, "jobs are refreshed all the same");
  await server.reconciler.reconcile();
  assert.equal(server.ml.adapters.get(second), "tainted");
  server.ml.refusing.clear();
  await server.reconciler.reconcile();
  assert.equal(server.ml.adapters.get(first), "tainted");
  assert.deepEqual(await waiting(server), []);
});

Deno.test("a message that ml refuses for good is sent once, and stays visible in metrics and log", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { first } = await withTwoTaints(trainee);
  server.ml.refusing.set(first, "validation_failed");
  for (let pass = 0; pass < 3; pass++) await server.reconciler.reconcile();
  assert.equal(server.ml.orders.filter((order) => order.includes(first)).length, 1);
  assert.deepEqual(await waiting(server), []);
  assert.deepEqual(await server.store.mlOutbox.counts(), { waiting: 0, refused: 1 });
  const metrics = await (await server.request("/metrics")).text();
  assert.match(metrics, /^assistant_ml_outbox_messages\{state="refused"\} 1$/m);
  assert.ok(
    server.logLines.some((line) => line.includes('"level":"error"') && line.includes("taint_adapter")),
  );
});

Deno.test("a job that ml refuses to end has failed with the reason", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { id } = await startJob(trainee);
  server.ml.reportTraining(runningStatus(id));
  await readJob(trainee, id);
  server.ml.refusing.set(id, "not_implemented");
  await deleteSamples(trainee, [trainee.sampleIds[0]]);
  await server.reconciler.reconcile();
  const { status, error } = await readJob(trainee, id);
  assert.equal(status, "failed");
  assert.match(error ?? "", /^A sample that it learned from was deleted; .*did not end it: ml refuses$/);
  assert.deepEqual(await waiting(server), []);
});

Deno.test("a message that fails is sent less and less often, and given up after thirty tries", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { store, ml, clock, reconciler } = server;
  const { first } = await withTwoTaints(trainee);
  ml.refusing.set(first, "internal");
  const tries = () => ml.orders.filter((order) => order.includes(first)).length;
  const pass = (durationMs: number) => {
    clock.now = new Date(clock.now.getTime() + durationMs);
  };
  await reconciler.reconcile();
  await reconciler.reconcile();
  assert.equal(tries(), 1, "not at once");
  for (let hour = 0; hour < 29; hour++) {
    pass(HOUR_MS);
    await reconciler.reconcile();
  }
  assert.equal(tries(), 30);
  assert.deepEqual(await store.mlOutbox.counts(), { waiting: 0, refused: 1 });
  pass(100 * HOUR_MS);
  await reconciler.reconcile();
  assert.equal(tries(), 30);
});

Deno.test("a job whose end the database refuses fails with a sentence, and the others continue", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const taken = await trainAdapter(trainee);
  const [unlucky, lucky] = [await pairTrainee(server), await pairTrainee(server)];
  const [bad, good] = [await startJob(unlucky), await startJob(lucky)];
  const status = completedStatus(bad.id);
  assert.ok(status.result);
  server.ml.reportTraining({ ...status, result: { ...status.result, adapter_id: taken } });
  server.ml.reportTraining(completedStatus(good.id));
  await server.reconciler.reconcile();
  assert.deepEqual(await server.store.trainingJobs.listLive(), []);
  const { status: end, error } = await readJob(unlucky, bad.id);
  assert.deepEqual([end, error], ["failed", "The state that the ml service reported could not be stored"]);
  assert.equal((await readJob(lucky, good.id)).status, "completed");
});
