/** Tests training over HTTP: the real process on the tiny model, from samples to an adapter that answers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import {
  type AdapterInfo,
  adapterInfoSchema,
  evaluateResponseSchema,
  generateResultSchema,
  modelListSchema,
} from "../contract/ml.ts";
import {
  type MlStartTrainingRequest,
  type MlTrainingStatus,
  mlTrainingStatusSchema,
} from "../contract/ml_training.ts";
import {
  assertError,
  eventsOf,
  type MlService,
  type MlServiceOptions,
  withMlService,
} from "../tests/support/ml_service.ts";
import { buildLlamaGguf } from "../tests/support/llama_gguf.ts";
import { withTinyEngine } from "../tests/support/tiny_gguf_engine.ts";
import { inventedSamples } from "../tests/support/training_folder.ts";

const PROMPT = "Them: are you coming tonight?\nMe:";
const SAMPLES = inventedSamples(30).map(({ input, output, quality, rejected }) => ({
  input,
  output,
  quality,
  rejected: rejected ?? undefined,
}));

type Request = Partial<Omit<MlStartTrainingRequest, "samples">> & { samples?: unknown };

function requestOf(changes: Request = {}): Record<string, unknown> {
  return {
    job_id: "job-1",
    base_model: "tiny",
    samples: SAMPLES,
    epochs: 2,
    learning_rate: 5e-3,
    seed: 7,
    batch_size: 8,
    lora: { rank: 4 },
    ...changes,
  };
}

/** A test of the app on llama.cpp with the tiny model loaded. */
function trainingTest(
  name: string,
  use: (service: MlService) => Promise<void>,
  options: Pick<MlServiceOptions, "adaptersLimitBytes"> = {},
): void {
  Deno.test(name, () =>
    withTinyEngine({}, ({ engine, dir }) => {
      return withMlService({ ...options, engine, dir }, async (service) => {
        await service.models.start();
        await use(service);
      });
    }));
}

async function statusIn(response: Response, expected = 200): Promise<MlTrainingStatus> {
  const body = await response.json();
  assert.equal(response.status, expected, JSON.stringify(body));
  return mlTrainingStatusSchema.parse(body);
}

async function start({ post }: MlService, changes: Request = {}): Promise<MlTrainingStatus> {
  return await statusIn(await post("/training/start", requestOf(changes)), 202);
}

interface StatusEvent {
  id: number;
  status: MlTrainingStatus;
}

/** Follows a job until it ends or `at` returns true. */
async function followUntil(
  { request }: MlService,
  jobId: string,
  options: { at: (status: MlTrainingStatus) => boolean },
): Promise<MlTrainingStatus | undefined> {
  const response = await request(`/training/events/${jobId}`);
  const decoder = new TextDecoder();
  let [text, read] = ["", 0];
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const end = text.lastIndexOf("\n\n");
    const events = end > read ? eventsOf(text.slice(read, end)) : [];
    read = Math.max(read, end);
    const found = events.map(({ data }) => mlTrainingStatusSchema.parse(data)).find(options.at);
    // Leaving the loop ends the stream, as a reader that goes away does.
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Follows a job to its end. */
async function follow({ request }: MlService, jobId: string, after?: number): Promise<StatusEvent[]> {
  const headers: HeadersInit = after === undefined ? {} : { "last-event-id": String(after) };
  const response = await request(`/training/events/${jobId}`, { headers });
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  return eventsOf(await response.text()).map(({ event, id, data }) => {
    assert.equal(event, "status");
    return { id: Number(id), status: mlTrainingStatusSchema.parse(data) };
  });
}

async function adaptersOf({ request }: MlService): Promise<AdapterInfo[]> {
  return modelListSchema.parse(await (await request("/models")).json()).adapters;
}

trainingTest(
  "the whole story: samples in, adapter out, served, tainted, refused, deleted",
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
    assert.ok(result.offered && result.adapter_loss < result.base_loss);

    const [adapter] = await adaptersOf(service);
    assert.deepEqual([adapter?.id, adapter?.job_id, adapter?.base_model], [
      result.adapter_id,
      "job-1",
      "tiny",
    ]);
    assert.deepEqual([adapter?.state, adapter?.offered, adapter?.adapter_loss], [
      "ready",
      true,
      result.adapter_loss,
    ]);

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

/** What is left in a job's folder, which nobody else can read. */
async function leftOf({ dir }: MlService, jobId: string): Promise<string[]> {
  const folder = join(dir, "training", jobId);
  for (const path of [folder, join(dir, "training")]) {
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700, path);
  }
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

/** How a job that ended without success should look: no adapter, no messages, and the next job runs. */
async function assertCleanEnd(service: MlService, jobId: string): Promise<void> {
  const left = await leftOf(service, jobId);
  assert.deepEqual(left.filter((name) => name !== "metrics.jsonl"), ["status.jsonl"]);
  assert.deepEqual(await adaptersOf(service), []);
  await assertError(await service.post(`/training/cancel/${jobId}`, {}), "409 conflict");
  await assertError(await service.post("/training/start", requestOf({ job_id: jobId })), "409 job_exists");
}

const REFUSED: { what: string; path: string; request: Request & Record<string, unknown> }[] = [
  { what: "no samples", path: "samples", request: { samples: [] } },
  {
    what: "more than 100,000 samples",
    path: "samples",
    request: { samples: Array.from({ length: 100_001 }, () => ({ input: "", output: "o" })) },
  },
  {
    what: "nothing but samples of quality 0",
    path: "samples",
    request: { samples: [{ ...SAMPLES[0], quality: 0 }] },
  },
  { what: "an empty output", path: "samples.0.output", request: { samples: [{ input: "hi", output: "" }] } },
  {
    what: "an output of 50 kB",
    path: "samples.1.output",
    request: { samples: [SAMPLES[0], { input: "hi", output: "x".repeat(50_000) }] },
  },
  {
    what: "a quality above 1",
    path: "samples.0.quality",
    request: { samples: [{ ...SAMPLES[0], quality: 1.01 }] },
  },
  {
    what: "a quality below 0",
    path: "samples.0.quality",
    request: { samples: [{ ...SAMPLES[0], quality: -0.01 }] },
  },
  // JSON has no NaN; it is written as null.
  { what: "a learning rate of NaN", path: "learning_rate", request: { learning_rate: NaN } },
  { what: "a learning rate of 0", path: "learning_rate", request: { learning_rate: 0 } },
  { what: "a learning rate below 0", path: "learning_rate", request: { learning_rate: -1e-4 } },
  { what: "0 epochs", path: "epochs", request: { epochs: 0 } },
  { what: "1,000 epochs", path: "epochs", request: { epochs: 1_000 } },
  { what: "half an epoch", path: "epochs", request: { epochs: 0.5 } },
  { what: "batches of nothing", path: "batch_size", request: { batch_size: 0 } },
  { what: "a rank of 0", path: "lora.rank", request: { lora: { rank: 0 } } },
  { what: "a dropout of everything", path: "lora.dropout", request: { lora: { dropout: 1 } } },
  {
    what: "an unknown target",
    path: "lora.targets.0",
    request: { lora: { targets: ["lm_head" as "attn_q"] } },
  },
  { what: "more layers than there are", path: "lora", request: { lora: { layers: 99 } } },
  { what: "an unknown method", path: "method", request: { method: "ppo" as "dpo" } },
  {
    what: "preferences without a rejected draft",
    path: "samples",
    request: { method: "dpo", samples: [{ input: "hi", output: "ho" }] },
  },
  { what: "an unknown base model", path: "base_model", request: { base_model: "no-such-model" } },
  {
    what: "a base model that is not served",
    path: "base_model",
    request: { base_model: "ministral-3b-instruct" },
  },
  { what: "a path for a base model", path: "base_model", request: { base_model: "../tiny.gguf" } },
  { what: "a path for a job id", path: "job_id", request: { job_id: "../job" } },
];

trainingTest("what cannot be trained is refused with its path, and nothing is begun", async (service) => {
  for (const { what, path, request } of REFUSED) {
    const response = await service.post("/training/start", requestOf(request));
    const body = errorBodySchema.parse(await response.json());
    assert.deepEqual([response.status, body.code], [400, "validation_failed"], what);
    assert.equal(body.details?.[0]?.path, path, `${what}: ${body.message}`);
  }
  await assertError(await service.request("/training/status/job-1"), "404 not_found");
  await assertError(await service.request("/training/events/job-1"), "404 not_found");
  await assertError(await service.post("/training/cancel/job-1", {}), "404 not_found");
  assert.deepEqual(await Array.fromAsync(Deno.readDir(join(service.dir, "training"))).catch(() => []), []);
});

/** Serves another model for a test. */
async function withServed(
  path: string,
  options: { id: string; use: (service: MlService) => Promise<void> },
): Promise<void> {
  await withTinyEngine({}, async ({ engine, dir }) => {
    await Deno.rename(path, join(dir, `${options.id}.gguf`));
    await withMlService({ engine, dir, model: options.id }, async (service) => {
      await service.models.start();
      assert.equal(service.models.state.modelId, options.id);
      await options.use(service);
    });
  });
}

/** Says in a model's file that its matrices are of a type of the same block size. */
async function renameWeightType(path: string, types: { from: number; to: number }): Promise<void> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  const text = new TextDecoder("latin1").decode(bytes);
  for (
    const { index, 0: name } of text.matchAll(/blk\.\d\.(?:attn|ffn)_(?:q|k|v|output|gate|up|down)\.weight/g)
  ) {
    // After the name: number of dimensions (4 bytes), each dimension (8 bytes), the type.
    const dimensions = view.getUint32(index + name.length, true);
    const at = index + name.length + 4 + 8 * dimensions;
    assert.equal(view.getUint32(at, true), types.from, name);
    view.setUint32(at, types.to, true);
  }
  await Deno.writeFile(path, bytes);
}

Deno.test("a served model that cannot be trained is refused: its architecture's parts, its weights' type", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const scaled = await buildLlamaGguf({ dir, texts: { "rope.scaling.type": "longrope" } });
    // Both have blocks of 32 weights in 18 bytes: enum ggml_type, Q4_0 and IQ4_NL.
    const odd = await buildLlamaGguf({ dir, type: "q4_0" });
    await renameWeightType(odd, { from: 2, to: 20 });
    for (const { path, words } of [{ path: scaled, words: /longrope/ }, { path: odd, words: /iq4_nl/ }]) {
      const use = async ({ post }: MlService) => {
        const response = await post("/training/start", requestOf({ base_model: "odd" }));
        const { code, details, message } = errorBodySchema.parse(await response.json());
        assert.deepEqual([code, details?.[0]?.path], ["validation_failed", "base_model"], message);
        assert.match(message, words);
      };
      await withServed(path, { id: "odd", use });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

trainingTest("a single sample ends with a sentence, and nothing is left", async (service) => {
  await start(service, { samples: SAMPLES.slice(0, 1) });
  const last = (await follow(service, "job-1")).at(-1)?.status;
  assert.equal(last?.status, "failed");
  assert.match(last?.error ?? "", /sample/);
  await assertCleanEnd(service, "job-1");
});

trainingTest(
  "two starts with one id begin one job, at once or later, and it is not disturbed",
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
    assert.deepEqual(await leftOf(service, "job-1"), ["metrics.jsonl", "result.json", "status.jsonl"]);
  },
);

trainingTest(
  "jobs run one at a time; a waiting one knows its place and can be cancelled",
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
