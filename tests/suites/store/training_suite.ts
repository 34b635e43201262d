/** Tests training samples and training jobs. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { acceptedSample, batch, message, paired } from "../../support/server/store_rows.ts";

const PAGE = { page: 1, pageSize: 50 };
const JOB = { baseModel: "ministral-3b-instruct", epochs: 3, learningRate: 0.0001, sampleIds: ["a", "b"] };

export const trainingTests: StoreTests = {
  "samples are listed newest first, those of no quality kept out of training": async (
    { stores: { samples }, stores },
  ) => {
    const origin = await paired(stores);
    const [first, useless, last] = [
      await acceptedSample(stores, origin),
      await acceptedSample(stores, origin, { quality: 0 }),
      await acceptedSample(stores, origin),
    ];
    assert.deepEqual((await samples.list(origin.accountId, PAGE)).rows, [last, useless, first]);
    assert.deepEqual(await samples.listTrainable(origin.accountId, 10), [last, first]);
    assert.deepEqual(await samples.listTrainable(origin.accountId, 1), [last]);
  },

  "samples are found by id in the order asked for, in their own account only": async (
    { stores: { samples }, stores },
  ) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const [a, b, foreign] = [
      await acceptedSample(stores, mine),
      await acceptedSample(stores, mine),
      await acceptedSample(stores, other),
    ];
    const unknown = Array.from({ length: 70_000 }, () => crypto.randomUUID());
    const ids = [b.id, foreign.id, ...unknown, a.id.toUpperCase(), b.id];
    assert.deepEqual(await samples.findMany(mine.accountId, ids), [b, a]);
    assert.deepEqual(await samples.findMany(mine.accountId, []), []);
  },

  "a sample is deleted once, by its own account": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const { id } = await acceptedSample(stores, mine);
    assert.equal(await stores.samples.delete(other.accountId, { id }), undefined);
    assert.deepEqual(await stores.samples.delete(mine.accountId, { id }), {
      messages: 0,
      responses: 0,
      samples: 1,
      taintedAdapterIds: [],
    });
    assert.equal(await stores.samples.delete(mine.accountId, { id }), undefined);
  },

  "sent replies are imported once, and only the account's own": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const { conversationId } = await stores.ingest.ingestMessages(mine, batch([message("a"), message("b")]));
    const page = await stores.conversations.messages(mine.accountId, { ...PAGE, conversationId });
    const imported = (page?.rows ?? []).map(({ id }) => ({
      messageId: id,
      input: 'Them: "quoted"\nMe:',
      output: "a reply",
      quality: 0.5,
      sourceMessageIds: [id],
    }));
    assert.equal(await stores.samples.import(other.accountId, imported), 0);
    assert.equal(await stores.samples.import(mine.accountId, imported), 2);
    assert.equal(await stores.samples.import(mine.accountId, imported), 0);
    const { rows } = await stores.samples.list(mine.accountId, PAGE);
    assert.deepEqual(
      rows.map(({ input, source, conversationId: where }) => [input, source, where]),
      [0, 1].map(() => ['Them: "quoted"\nMe:', "import", conversationId]),
    );
  },

  "a device has one live training job, however many it starts at once": async (
    { stores: { trainingJobs }, stores },
  ) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const results = await Promise.all(
      Array.from({ length: 6 }, () => trainingJobs.create({ ...mine, ...JOB })),
    );
    assert.deepEqual(results.map((result) => result.outcome).sort(), [...Array(5).fill("busy"), "created"]);
    assert.equal(new Set(results.map((result) => result.job.id)).size, 1);
    assert.equal((await trainingJobs.create({ ...other, ...JOB })).outcome, "created");
    const live = await trainingJobs.liveJob(mine.accountId, mine.deviceId);
    assert.equal(live?.id, results[0]?.job.id);
    assert.deepEqual(await trainingJobs.sampleIds(mine.accountId, live?.id ?? ""), JOB.sampleIds);
    await trainingJobs.update(mine.accountId, { jobId: live?.id ?? "", status: "cancelled" });
    assert.equal(await trainingJobs.liveJob(mine.accountId, mine.deviceId), undefined);
    assert.equal((await trainingJobs.create({ ...mine, ...JOB })).outcome, "created");
    assert.equal((await trainingJobs.list(mine.accountId, PAGE)).total, 2);
  },

  "a training job notes its course, and does not change once it has ended": async (
    { stores: { trainingJobs }, stores },
  ) => {
    const origin = await paired(stores);
    const { job } = await trainingJobs.create({ ...origin, ...JOB });
    assert.deepEqual([job.status, job.progress, job.sampleCount, job.startedAt], ["queued", 0, 2, null]);
    const update = (change: object) => trainingJobs.update(origin.accountId, { jobId: job.id, ...change });
    const training = await update({ status: "training", progress: 45 });
    assert(training?.startedAt instanceof Date);
    assert.deepEqual([training.progress, training.finishedAt], [45, null]);
    assert.deepEqual((await update({ status: "training", progress: 50 }))?.startedAt, training.startedAt);
    const failed = await update({ status: "failed", error: "out of memory" });
    assert(failed?.finishedAt instanceof Date);
    assert.equal(await update({ progress: 60 }), undefined);
    assert.deepEqual(await trainingJobs.find(origin.accountId, job.id), failed);
  },

  "another account sees no training job": async ({ stores: { trainingJobs }, stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const { job } = await trainingJobs.create({ ...mine, ...JOB });
    assert.equal(await trainingJobs.find(other.accountId, job.id), undefined);
    assert.equal(await trainingJobs.update(other.accountId, { jobId: job.id, progress: 1 }), undefined);
    assert.deepEqual(await trainingJobs.sampleIds(other.accountId, job.id), []);
    assert.equal(await trainingJobs.liveJob(other.accountId, mine.deviceId), undefined);
  },
};
