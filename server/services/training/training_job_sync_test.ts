// The jobSync of training jobs where its two ways to ml cross.
import assert from "node:assert/strict";
import { createLogger } from "../../../lib/log.ts";
import { startServerApp, TEST_SECRET } from "../../../tests/support/server/server_app.ts";
import { createTokens } from "../../auth/credentials.ts";
import { createMlClient } from "../../clients/ml.ts";
import { createTrainingJobSync } from "./training_job_sync.ts";

const JOB = { baseModel: "test-model", epochs: 1, learningRate: 0.0001, sampleIds: [] };
const SAMPLES = [{ input: "Dinner at 7?", output: "Sure", quality: 1 }];

Deno.test("a job that begins to be started while ml is asked for it is not taken for lost", async () => {
  await using server = await startServerApp();
  const { store, ml: mlServer } = server;
  const { deviceId, token } = await server.pair();
  const { tokenId } = await createTokens({ secret: TEST_SECRET, now: () => new Date() }).verify(token);
  const accountId = (await store.devices.findByToken(tokenId))?.accountId;
  assert.ok(accountId);
  const { job } = await store.trainingJobs.create({ accountId, deviceId, ...JOB });
  const client = createMlClient({ baseUrl: mlServer.url, token: null });
  let started: Promise<unknown> | undefined;
  const jobSync = createTrainingJobSync({
    ...store,
    jobs: store.trainingJobs,
    ml: {
      ...client,
      trainingStatus: (jobId) =>
        client.trainingStatus(jobId).finally(() => {
          started = jobSync.start(job, SAMPLES);
        }),
    },
    log: createLogger({ write: () => {} }),
  });
  await jobSync.refresh(job);
  await started;
  assert.equal(mlServer.started.length, 1);
  assert.equal((await store.trainingJobs.find(accountId, job.id))?.status, "queued");
});
