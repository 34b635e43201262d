/** Tests adapters: added when their job completes, promoted, rolled back, tainted, pruned. */
import assert from "node:assert/strict";
import type { TrainingMetrics } from "../../../contract/training_figures.ts";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { acceptedSample, paired } from "../../support/server/store_rows.ts";
import type { BatchOrigin } from "../../../server/store/messages/ingest_statements.ts";
import type { Stores } from "../../../server/store/store.ts";

const JOB = { baseModel: "test-model", epochs: 3, learningRate: 0.0001 };

const REASON = "Too few to tell: 2 replies were held out, and 30 are needed";

/** What the end of a job reports of its adapter. */
function metricsOf(adapterId: string, offered = true): TrainingMetrics {
  return {
    phase: null,
    step: 30,
    steps: 30,
    epoch: 3,
    loss: 2.5,
    heldOutLoss: 3.25,
    evaluated: null,
    toEvaluate: null,
    learningRate: 0,
    tokensPerSecond: 100,
    etaMs: 0,
    excluded: { duplicate: 2 },
    memoryBytes: 1_000_000,
    result: {
      adapterId,
      offered,
      offerReason: REASON,
      baseLoss: 3.5,
      examplesLoss: null,
      adapterLoss: 3.25,
      heldOutSamples: 2,
      trainSamples: 18,
    },
  };
}

interface Training {
  sampleIds?: readonly string[];
  offered?: boolean;
}

/** A job of the account that has ended with an adapter. */
async function trained(
  { trainingJobs }: Stores,
  { accountId, deviceId, sampleIds = [], offered }: BatchOrigin & Training,
): Promise<string> {
  const { job } = await trainingJobs.create({ accountId, deviceId, ...JOB, sampleIds });
  const adapterId = `adapter-${job.id}`;
  const metrics = metricsOf(adapterId, offered);
  assert(
    await trainingJobs.update(accountId, { jobId: job.id, status: "completed", progress: 100, metrics }),
  );
  return adapterId;
}

async function statesOf({ adapters }: Stores, accountId: string): Promise<Record<string, string>> {
  return Object.fromEntries((await adapters.list(accountId)).map(({ id, state }) => [id, state]));
}

/** Messages not yet sent to ml about these adapters, in order. */
async function messagesAbout({ mlOutbox }: Stores, ids: readonly string[]): Promise<[string, string][]> {
  const messages = await mlOutbox.list({ after: 0, limit: 10_000 });
  return messages.filter(({ target }) => ids.includes(target)).map(({ kind, target }) => [kind, target]);
}

export const adapterTests: StoreTests = {
  "a job that completes with a result adds its adapter once, however often its end is reported": async (
    { stores },
  ) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const { job } = await stores.trainingJobs.create({ ...origin, ...JOB, sampleIds: [] });
    const metrics = metricsOf(`adapter-${job.id}`);
    const ends = await Promise.all(
      Array.from(
        { length: 6 },
        () => stores.trainingJobs.update(accountId, { jobId: job.id, status: "completed", metrics }),
      ),
    );
    const [ended] = ends.filter((end) => end !== undefined);
    assert.equal(ends.filter((end) => end !== undefined).length, 1);
    assert.deepEqual(ended?.metrics, metrics);
    const [adapter, ...more] = await stores.adapters.list(accountId);
    assert.equal(more.length, 0);
    const { createdAt, ...row } = adapter ?? assert.fail("no adapter was made");
    assert(createdAt instanceof Date);
    const { adapterId: id, ...facts } = metrics.result ?? assert.fail();
    const expected = { id, accountId, jobId: job.id, baseModel: JOB.baseModel, state: "staged" };
    assert.deepEqual(row, { ...expected, ...facts, fault: null, promotedAt: null });
    assert.equal(await stores.adapters.promoted(accountId), undefined);
  },

  "a job whose adapter cannot be stored has not ended, and ends with it later": async (
    { stores, database: { sql } },
  ) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const { job } = await stores.trainingJobs.create({ ...origin, ...JOB, sampleIds: [] });
    const end = { jobId: job.id, status: "completed", metrics: metricsOf(`adapter-${job.id}`) } as const;
    const check = `broken_${job.id.replaceAll("-", "")}`;
    await sql.script(`alter table adapters add constraint ${check} check (job_id <> '${job.id}')`);
    await assert.rejects(stores.trainingJobs.update(accountId, end));
    assert.equal((await stores.trainingJobs.find(accountId, job.id))?.status, "queued");
    assert((await stores.trainingJobs.listLive()).some(({ id }) => id === job.id));
    await sql.script(`alter table adapters drop constraint ${check}`);
    assert.equal((await stores.trainingJobs.update(accountId, end))?.status, "completed");
    assert.equal((await stores.adapters.list(accountId)).length, 1);
    assert(!(await stores.trainingJobs.listLive()).some(({ id }) => id === job.id));
  },

  "an adapter is promoted by its own account, when the gate offers it": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const { accountId } = mine;
    const [good, worse] = [await trained(stores, mine), await trained(stores, { ...mine, offered: false })];
    assert.deepEqual(await stores.adapters.promote(other.accountId, good), { outcome: "not_found" });
    assert.deepEqual(await stores.adapters.promote(accountId, "nobody's"), { outcome: "not_found" });
    assert.deepEqual(await stores.adapters.promote(accountId, worse), {
      outcome: "not_offered",
      reason: REASON,
    });
    assert.equal(await stores.adapters.promoted(accountId), undefined);
    const first = await stores.adapters.promote(accountId, good);
    assert(first.outcome === "promoted" && first.adapter.promotedAt instanceof Date);
    assert.deepEqual(await stores.adapters.promote(accountId, good), first, "again changes nothing");
    assert.deepEqual(await stores.adapters.promoted(accountId), first.adapter);
    assert.equal(await stores.adapters.promoted(other.accountId), undefined);
    assert.deepEqual(await stores.adapters.list(other.accountId), []);
  },

  "rolling back goes to the adapter before, then to the base model, and ends there": async ({ stores }) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const { adapters } = stores;
    assert.deepEqual(await adapters.rollBack(accountId), { outcome: "nothing" });
    const [a, b] = [await trained(stores, origin), await trained(stores, origin)];
    for (const id of [a, b, a]) await adapters.promote(accountId, id);
    assert.deepEqual(await statesOf(stores, accountId), { [a]: "promoted", [b]: "retired" });
    const served: (string | undefined)[] = [];
    for (const _ of ["to b", "to the base model"]) {
      const result = await adapters.rollBack(accountId);
      assert(result.outcome === "rolled_back");
      served.push(result.adapter?.id);
      assert.deepEqual(await adapters.promoted(accountId), result.adapter);
    }
    assert.deepEqual(served, [b, undefined]);
    assert.deepEqual(await adapters.rollBack(accountId), { outcome: "nothing" });
    assert.deepEqual(await statesOf(stores, accountId), { [a]: "staged", [b]: "staged" });
    assert.equal((await adapters.promote(accountId, b)).outcome, "promoted");
  },

  "promotions and rollbacks at once end with at most one adapter in use, and each was orderly": async (
    { stores },
  ) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const ids = [await trained(stores, origin), await trained(stores, origin), await trained(stores, origin)];
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all([
        ...ids.map((id) => stores.adapters.promote(accountId, id)),
        stores.adapters.rollBack(accountId),
        ...ids.map((id) => stores.adapters.promote(accountId, id)),
      ]);
      assert.deepEqual(new Set(results.slice(0, 3).map(({ outcome }) => outcome)), new Set(["promoted"]));
      const states = Object.values(await statesOf(stores, accountId));
      assert.equal(states.filter((state) => state === "promoted").length, 1, states.join());
    }
  },

  "a deleted sample taints every adapter that learned from it at once, and the outbox has a message for each":
    async (
      { stores },
    ) => {
      const [mine, other] = [await paired(stores), await paired(stores)];
      const { accountId } = mine;
      const [kept, deleted] = [await acceptedSample(stores, mine), await acceptedSample(stores, mine)];
      const clean = await trained(stores, { ...mine, sampleIds: [kept.id] });
      const first = await trained(stores, { ...mine, sampleIds: [kept.id, deleted.id] });
      const second = await trained(stores, { ...mine, sampleIds: [deleted.id] });
      for (const id of [clean, first]) await stores.adapters.promote(accountId, id);
      assert.equal(await stores.samples.delete(other.accountId, { id: deleted.id }), undefined);
      assert.equal((await stores.adapters.promoted(accountId))?.id, first);
      const deletion = await stores.samples.delete(accountId, { id: deleted.id });
      assert.deepEqual(deletion?.taintedAdapterIds.sort(), [first, second].sort());
      assert.equal(await stores.adapters.promoted(accountId), undefined);
      assert.deepEqual(await statesOf(stores, accountId), {
        [clean]: "retired",
        [first]: "tainted",
        [second]: "tainted",
      });
      assert.deepEqual(await stores.adapters.promote(accountId, first), { outcome: "tainted" });
      const messages = await messagesAbout(stores, [clean, first, second]);
      assert.deepEqual(messages.sort(), [["taint_adapter", first], ["taint_adapter", second]].sort());
      const back = await stores.adapters.rollBack(accountId);
      assert.equal(back.outcome === "rolled_back" && back.adapter?.id, clean);
    },

  "an adapter whose job ends after one of its samples was deleted is born tainted": async ({ stores }) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const sample = await acceptedSample(stores, origin);
    const { job } = await stores.trainingJobs.create({ ...origin, ...JOB, sampleIds: [sample.id] });
    await stores.samples.delete(accountId, { id: sample.id });
    const metrics = metricsOf(`adapter-${job.id}`);
    await stores.trainingJobs.update(accountId, { jobId: job.id, status: "completed", metrics });
    const id = metrics.result?.adapterId ?? "";
    assert.deepEqual(await statesOf(stores, accountId), { [id]: "tainted" });
    assert.deepEqual(await messagesAbout(stores, [id, job.id]), [["cancel_training", job.id], [
      "taint_adapter",
      id,
    ]]);
  },

  "a job is to stop once, and knows why, when a sample goes that it learns from": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const { accountId } = mine;
    const samples = [await acceptedSample(stores, mine), await acceptedSample(stores, mine)];
    const unrelated = await acceptedSample(stores, mine);
    const sampleIds = samples.map(({ id }) => id);
    const { job } = await stores.trainingJobs.create({ ...mine, ...JOB, sampleIds });
    const elsewhere = await stores.trainingJobs.create({ ...other, ...JOB, sampleIds: [] });
    await stores.samples.delete(accountId, { id: unrelated.id });
    assert.deepEqual(await messagesAbout(stores, [job.id]), []);
    for (const id of sampleIds) await stores.samples.delete(accountId, { id });
    assert.deepEqual(await messagesAbout(stores, [job.id, elsewhere.job.id]), [["cancel_training", job.id]]);
    const end = { jobId: job.id, status: "cancelled", error: null } as const;
    const ended = await stores.trainingJobs.update(accountId, end);
    assert.deepEqual([ended?.status, ended?.error], [
      "cancelled",
      "A sample that it learned from was deleted",
    ]);
  },

  "whatever comes first, no adapter stays in use after a sample of it was deleted": async ({ stores }) => {
    for (let round = 0; round < 12; round++) {
      const origin = await paired(stores);
      const { accountId } = origin;
      const sample = await acceptedSample(stores, origin);
      const ready = await trained(stores, { ...origin, sampleIds: [sample.id] });
      const { job } = await stores.trainingJobs.create({ ...origin, ...JOB, sampleIds: [sample.id] });
      const late = `adapter-${job.id}`;
      await Promise.all([
        stores.adapters.promote(accountId, ready),
        stores.trainingJobs.update(accountId, {
          jobId: job.id,
          status: "completed",
          metrics: metricsOf(late),
        }).then(() => stores.adapters.promote(accountId, late)),
        stores.samples.delete(accountId, { id: sample.id }),
      ]);
      assert.deepEqual(await statesOf(stores, accountId), { [ready]: "tainted", [late]: "tainted" });
      const messages = await messagesAbout(stores, [ready, late]);
      assert.deepEqual(messages.sort(), [["taint_adapter", ready], ["taint_adapter", late]].sort());
    }
  },

  "old adapters go, here and in ml, but never the promoted one nor the one to roll back to": async (
    { stores },
  ) => {
    const origin = await paired(stores);
    const { accountId } = origin;
    const promoted: string[] = [];
    for (let count = 0; count < 6; count++) {
      promoted.push(await trained(stores, origin));
      await stores.adapters.promote(accountId, promoted[count] ?? "");
    }
    const worse: string[] = [];
    for (let count = 0; count < 5; count++) {
      worse.push(await trained(stores, { ...origin, offered: false }));
    }
    const kept = [...promoted.slice(2), ...worse.slice(2)];
    assert.deepEqual(Object.keys(await statesOf(stores, accountId)).sort(), kept.sort());
    assert.equal((await stores.adapters.promoted(accountId))?.id, promoted[5]);
    const gone = [...promoted.slice(0, 2), ...worse.slice(0, 2)];
    const messages = await messagesAbout(stores, [...promoted, ...worse]);
    assert.deepEqual(messages.sort(), gone.map((id) => ["delete_adapter", id]).sort());
    const back = await stores.adapters.rollBack(accountId);
    assert.equal(back.outcome === "rolled_back" && back.adapter?.id, promoted[4]);
  },

  "what ml has taken leaves the outbox": async ({ stores }) => {
    const origin = await paired(stores);
    const sample = await acceptedSample(stores, origin);
    const id = await trained(stores, { ...origin, sampleIds: [sample.id] });
    await stores.samples.delete(origin.accountId, { id: sample.id });
    const message = (await stores.mlOutbox.list({ after: 0, limit: 10_000 })).find(({ target }) =>
      target === id
    );
    assert.equal(message?.kind, "taint_adapter");
    await stores.mlOutbox.remove(message.id);
    assert.deepEqual(await messagesAbout(stores, [id]), []);
  },

  "what ml fails at waits until it is due, and what it refuses is not sent again": async (
    { stores },
  ) => {
    const { mlOutbox } = stores;
    const target = crypto.randomUUID();
    const found = async (dueBy?: Date) =>
      (await mlOutbox.list({ after: 0, limit: 10_000, dueBy })).find((message) => message.target === target);
    const [before, due] = [new Date("2026-01-01T00:00:00Z"), new Date("2026-01-01T00:00:10Z")];
    await mlOutbox.add({ kind: "delete_adapter", target });
    const message = await found(before);
    assert.ok(message?.tries === 0);
    await mlOutbox.postpone(message.id, due);
    assert.equal(await found(before), undefined);
    assert.deepEqual([(await found(due))?.tries, (await found())?.tries], [1, 1]);
    const counts = await mlOutbox.counts();
    await mlOutbox.refuse(message.id, "It cannot be");
    assert.equal(await found(due), undefined);
    const { waiting, refused } = await mlOutbox.counts();
    assert.deepEqual([waiting, refused], [counts.waiting - 1, counts.refused + 1]);
  },

  "why ml does not serve an adapter is noted, and cleared with its next promotion": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const adapterId = await trained(stores, mine);
    const fault = async () => (await stores.adapters.list(mine.accountId))[0]?.fault;
    await stores.adapters.noteFault(other.accountId, { adapterId, fault: "refused" });
    assert.equal(await fault(), null);
    await stores.adapters.noteFault(mine.accountId, { adapterId, fault: "unknown" });
    assert.equal(await fault(), "unknown");
    await stores.adapters.promote(mine.accountId, adapterId);
    assert.equal(await fault(), null);
  },
};
