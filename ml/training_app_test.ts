/** Tests training over HTTP: the real process on the tiny model, from samples to an adapter that answers. */
import assert from "node:assert/strict";
import { adapterInfoSchema, evaluateResponseSchema, generateResultSchema } from "../contract/ml.ts";
import type { MlTrainingStatus } from "../contract/ml_training.ts";
import { createOpenAiEngine } from "./engine/openai/openai.ts";
import { FIGURES } from "./training/job/job_folders.ts";
import { assertError, withMlService } from "../tests/support/ml/ml_service.ts";
import {
  adaptersOf,
  assertCleanEnd,
  completed,
  follow,
  followUntil,
  leftOf,
  requestOf,
  SAMPLES,
  start,
  statusIn,
  trainingTest,
} from "../tests/support/training/training_client.ts";

const PROMPT = "Them: are you coming tonight?\nMe:";

trainingTest(
  "the complete story: samples in, adapter out, served, tainted, refused, deleted",
  async (service) => {
    const { request, post } = service;
    const queued = await start(service, { epochs: 10, learning_rate: 2e-2 });
    assert.deepEqual([queued.job_id, queued.error], ["job-1", null]);
    const events = await follow(service, "job-1");
    assert.deepEqual(events.map(({ id }) => id), events.map((_, index) => index + 1));
    const last = events.at(-1)?.status;
    assert.deepEqual(
      [last?.status, last?.progress, last?.error],
      ["completed", 100, null],
      JSON.stringify(last),
    );
    assert.deepEqual(await statusIn(await request("/training/status/job-1")), last);
    const result = last?.result;
    assert.ok(result && result.adapter_loss !== null && result.base_loss !== null);
    assert.ok(!result.offered && result.adapter_loss < result.base_loss);
    assert.match(result.offer_reason ?? "", /^Too few to tell/);

    const [adapter] = await adaptersOf(service);
    assert.deepEqual([adapter?.id, adapter?.job_id, adapter?.base_model], [
      result.adapter_id,
      "job-1",
      "tiny",
    ]);
    assert.deepEqual(
      [adapter?.state, adapter?.offered, adapter?.offer_reason, adapter?.adapter_loss],
      ["ready", false, result.offer_reason, result.adapter_loss],
    );

    const generate = async (extra: object) => {
      const response = await post("/generate", { prompt: PROMPT, max_tokens: 12, temperature: 0, ...extra });
      return generateResultSchema.parse(await response.json());
    };
    const adapterId = result.adapter_id;
    const [base, adapted] = [await generate({}), await generate({ adapter_id: adapterId })];
    assert.notEqual(adapted.response, base.response);
    assert.deepEqual([base.model_version, adapted.model_version], ["tiny", `tiny+${adapterId}`]);
    const again = await generate({ adapter_id: adapterId });
    assert.deepEqual([again.cached, again.response, again.model_version], [
      true,
      adapted.response,
      adapted.model_version,
    ]);

    const evaluate = async (extra: object) => {
      const samples = SAMPLES.map(({ input, output }) => ({ input, output }));
      return evaluateResponseSchema.parse(await (await post("/evaluate", { samples, ...extra })).json()).loss;
    };
    assert.ok(await evaluate({ adapter_id: adapterId }) < await evaluate({}));

    const tainted = await post(`/models/adapters/${adapterId}/taint`, {});
    assert.equal(adapterInfoSchema.parse(await tainted.json()).state, "tainted");
    const body = { prompt: PROMPT, max_tokens: 12, temperature: 0, adapter_id: adapterId };
    assert.match(await assertError(await post("/generate", body), "409 conflict"), /is tainted/);
    await assertError(
      await post("/evaluate", { samples: [{ input: "hi", output: "ho" }], adapter_id: adapterId }),
      "409 conflict",
    );
    assert.equal((await post(`/models/adapters/${adapterId}/taint`, {})).status, 200);
    assert.equal((await adaptersOf(service))[0]?.state, "tainted");

    assert.equal((await request(`/models/adapters/${adapterId}`, { method: "DELETE" })).status, 200);
    assert.deepEqual(await adaptersOf(service), []);
    await assertError(await request(`/models/adapters/${adapterId}`, { method: "DELETE" }), "404 not_found");
    await assertError(await post(`/models/adapters/${adapterId}/taint`, {}), "404 not_found");
    await assertError(await post("/generate", body), "404 not_found");
  },
);

trainingTest("a job with a single sample fails with a sentence and leaves nothing", async (service) => {
  await start(service, { samples: SAMPLES.slice(0, 1) });
  const last = (await follow(service, "job-1")).at(-1)?.status;
  assert.equal(last?.status, "failed");
  assert.match(last?.error ?? "", /sample/);
  await assertCleanEnd(service, "job-1");
});

trainingTest(
  "two starts with one id run one job, at once or later, and do not disturb it",
  async (service) => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => service.post("/training/start", requestOf())));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409, 409, 409]);
    const refused = answers.find(({ status }) => status === 409) ?? new Response();
    assert.match(await assertError(refused, "409 job_exists"), /job-1/);
    const last = (await follow(service, "job-1")).at(-1)?.status;
    assert.equal(last?.status, "completed", last?.error ?? "");
    await assertError(await service.post("/training/start", requestOf()), "409 job_exists");
    assert.deepEqual(await statusIn(await service.request("/training/status/job-1")), last);
    assert.equal((await adaptersOf(service)).length, 1);
    assert.deepEqual(await leftOf(service, "job-1"), FIGURES);
  },
);

trainingTest(
  "jobs run one at a time; a waiting one has a position and can be cancelled",
  async (service) => {
    const ids = ["one", "two.with.dots", "three"];
    for (const id of ids) await start(service, { job_id: id });
    await followUntil(service, "one", { at: ({ status }) => status === "training" });
    const statuses = await Promise.all(
      ids.map(async (id) => await statusIn(await service.request(`/training/status/${id}`))),
    );
    assert.deepEqual(statuses.map(({ status }) => status), ["training", "queued", "queued"]);
    assert.deepEqual(statuses.map(({ position }) => position), [null, 0, 1]);
    const cancelled = await statusIn(await service.post("/training/cancel/two.with.dots", {}));
    assert.equal(cancelled.status, "cancelled");
    const events = await follow(service, "two.with.dots");
    assert.deepEqual(events.map(({ status }) => status.status), ["queued", "cancelled"]);
    await assertCleanEnd(service, "two.with.dots");
    for (const id of ["one", "three"]) {
      assert.equal((await follow(service, id)).at(-1)?.status.status, "completed");
    }
    const [three, one] = await adaptersOf(service);
    assert.deepEqual([one?.job_id, three?.job_id], ["one", "three"]);
  },
);

const PHASES: { name: string; at: (status: MlTrainingStatus) => boolean }[] = [
  { name: "while samples are prepared", at: ({ phase }) => phase === "preparing" },
  {
    name: "while the base model is measured",
    at: ({ phase, step }) => phase === "evaluating" && step === null,
  },
  { name: "between steps", at: ({ phase }) => phase === "training" },
  { name: "while an epoch is measured", at: ({ phase, step }) => phase === "evaluating" && step !== null },
];

trainingTest("a job is cancelled in each phase, and the next one runs", async (service) => {
  for (const [index, { name, at }] of PHASES.entries()) {
    const jobId = `job-${index}`;
    await start(service, { job_id: jobId, epochs: 50 });
    assert.ok(await followUntil(service, jobId, { at }), name);
    const { status, phase } = await statusIn(await service.post(`/training/cancel/${jobId}`, {}));
    assert.deepEqual([status, phase], ["cancelled", null], name);
    assert.equal((await follow(service, jobId)).at(-1)?.status.status, "cancelled", name);
    await assertCleanEnd(service, jobId);
  }
  await start(service, { job_id: "last" });
  assert.equal((await follow(service, "last")).at(-1)?.status.status, "completed");
});

trainingTest("events are replayed, also from where a reader left off", async (service) => {
  await start(service);
  const live = await follow(service, "job-1");
  assert.deepEqual(await follow(service, "job-1"), live);
  assert.deepEqual(await follow(service, "job-1", { after: 3 }), live.slice(3));
  assert.equal(
    (await service.request("/training/events/job-1", { headers: { "last-event-id": "x" } })).status,
    400,
  );
  const steps = live.map(({ status }) => status.step ?? 0);
  assert.deepEqual(steps, [...steps].sort((a, b) => a - b));
  const phases = live.map(({ status }) => status.phase);
  for (const phase of ["preparing", "evaluating", "training", "exporting", "publishing"]) {
    assert.ok(phases.includes(phase), phase);
  }
  const latest = live.at(-1)?.status;
  assert.ok(
    latest?.loss && latest.learning_rate && latest.tokens_per_second && latest.steps && latest.excluded,
  );
});

trainingTest("a learned preference makes an adapter too", async (service) => {
  await start(service, { method: "dpo" });
  assert.equal((await completed(service, "job-1")).result?.adapter_id, (await adaptersOf(service))[0]?.id);
});

trainingTest("the service answers while it trains", async (service) => {
  await start(service, { epochs: 50 });
  await followUntil(service, "job-1", { at: ({ step }) => (step ?? 0) > 0 });
  const body = { prompt: PROMPT, max_tokens: 12, temperature: 0 };
  assert.equal((await service.post("/generate", body)).status, 200);
  const { status } = await statusIn(await service.request("/training/status/job-1"));
  assert.equal(status, "training");
  await service.post("/training/cancel/job-1", {});
  await follow(service, "job-1");
});

trainingTest(
  "no job starts once adapters take all their disk space, until one is deleted",
  async (service) => {
    await start(service);
    const { result } = await completed(service, "job-1");
    const refused = await service.post("/training/start", requestOf({ job_id: "job-2" }));
    assert.match(await assertError(refused, "409 conflict"), /ADAPTERS_LIMIT_MB allows/);
    assert.equal((await adaptersOf(service)).length, 1, "nothing is deleted for it");
    await service.request(`/models/adapters/${result?.adapter_id}`, { method: "DELETE" });
    await start(service, { job_id: "job-2" });
    await completed(service, "job-2");
  },
  { adaptersLimitBytes: 1 },
);

Deno.test("a service whose model another server holds trains nothing and serves no adapter", async () => {
  const dir = await Deno.makeTempDir();
  const models = () => Response.json({ data: [{ id: "remote" }] });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, models);
  const engine = createOpenAiEngine({
    url: `http://127.0.0.1:${server.addr.port}`,
    capacity: 1,
    queueLimit: 1,
  });
  try {
    await withMlService(
      { engine, dir, model: "remote", remote: () => engine.listModels() },
      async (service) => {
        await service.models.start();
        const request = requestOf({ base_model: "remote" });
        await assertError(await service.post("/training/start", request), "501 not_implemented");
        await assertError(await service.request("/training/status/job-1"), "404 not_found");
        assert.deepEqual(await adaptersOf(service), []);
        const body = { prompt: PROMPT, adapter_id: crypto.randomUUID() };
        await assertError(await service.post("/generate", body), "501 not_implemented");
      },
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
