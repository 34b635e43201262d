/** Tests the sync of a training job when it is started and refreshed at the same time. */
import assert from "node:assert/strict";
import { startServerApp, TEST_SECRET } from "../../../tests/support/server/server_app.ts";
import { createTokens } from "../../auth/authenticate.ts";

const JOB = { baseModel: "test-model", epochs: 1, learningRate: 0.0001, sampleIds: [] };
const SAMPLES = [{ input: "Dinner at 7?", output: "Sure", quality: 1 }];

Deno.test("a job whose start overlaps a refresh is not taken for lost", async () => {
  let start: () => Promise<unknown> = () => assert.fail("ml was asked before the job was there");
  let started: Promise<unknown> | undefined;
  await using server = await startServerApp({
    wrapMl: (ml) => ({
      ...ml,
      trainingStatus: (jobId) =>
        ml.trainingStatus(jobId).finally(() => {
          started = start();
        }),
    }),
  });
  const { store, jobSync } = server;
  const { deviceId, token } = await server.pair();
  const { tokenId } = await createTokens({ secret: TEST_SECRET, now: () => new Date() }).verify(token);
  const accountId = (await store.devices.findByToken(tokenId))?.accountId;
  assert.ok(accountId);
  const { job } = await store.trainingJobs.create({ accountId, deviceId, ...JOB });
  start = () => jobSync.start(job, SAMPLES);
  await jobSync.refresh(job);
  await started;
  assert.equal(server.ml.started.length, 1);
  assert.equal((await store.trainingJobs.find(accountId, job.id))?.status, "queued");
});
