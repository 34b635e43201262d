/** Tests what training is not begun with: every fault is a 400 with its path. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import { buildLlamaGguf } from "../tests/support/ml/llama_gguf.ts";
import { assertError, type MlService, withMlService } from "../tests/support/ml/ml_service.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import {
  completed,
  follow,
  requestOf,
  SAMPLES,
  start,
  type TrainingChanges,
  trainingTest,
} from "../tests/support/training/training_client.ts";

const REFUSED: { what: string; path: string; request: TrainingChanges & Record<string, unknown> }[] = [
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
  ...([1e-46, 1e-39, 5e-324, 1e-9, -0, 1.0000001, 1e300] as const).map((rate) => ({
    what: `a learning rate of ${rate}`,
    path: "learning_rate",
    request: { learning_rate: rate },
  })),
  ...([1e-46, 5e-324, 1e-4, -0] as const).map((alpha) => ({
    what: `an alpha of ${alpha}`,
    path: "lora.alpha",
    request: { lora: { alpha } },
  })),
  ...([1, 0.999999999999, 0.995, -1e-46] as const).map((dropout) => ({
    what: `a dropout of ${dropout}`,
    path: "lora.dropout",
    request: { lora: { dropout } },
  })),
  ...([1e-46, 5e-324, 1e-7, -1e-46] as const).map((quality) => ({
    what: `a quality of ${quality}`,
    path: "samples.1.quality",
    request: { samples: [{ input: "hi", output: "ho" }, { input: "a", output: "b", quality }] },
  })),
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

trainingTest(
  "a request that cannot be trained is refused with its path, and nothing is started",
  async (service) => {
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
  },
);

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

Deno.test("a served model that cannot be trained is refused: its architecture's features, its weights' type", async () => {
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

trainingTest(
  "waiting jobs may store a limited amount of samples; a job with none before it is always accepted",
  async (service) => {
    const { request, post, dir } = service;
    await start(service, { job_id: "first", epochs: 50 });
    const refused = await post("/training/start", requestOf({ job_id: "second" }));
    assert.ok(Number(refused.headers.get("retry-after")) > 0);
    assert.match(await assertError(refused, "503 queue_full"), /TRAINING_QUEUE_LIMIT_MB allows/);
    await assertError(await request("/training/status/second"), "404 not_found");
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(dir, "training")), ({ name }) => name), [
      "first",
    ]);
    await post("/training/cancel/first", {});
    await follow(service, "first");
    await start(service, { job_id: "second" });
    await completed(service, "second");
  },
  { queuedLimitBytes: 1 },
);

trainingTest("jobs wait for one another as long as their samples are few enough", async (service) => {
  const many = Array.from({ length: 10 }, () => SAMPLES).flat();
  await start(service, { job_id: "first", epochs: 50 });
  await start(service, { job_id: "second" });
  await assertError(
    await service.post("/training/start", requestOf({ job_id: "large", samples: many })),
    "503 queue_full",
  );
  await start(service, { job_id: "third" });
  for (const id of ["third", "second", "first"]) await service.post(`/training/cancel/${id}`, {});
  for (const id of ["third", "second", "first"]) await follow(service, id);
}, { queuedLimitBytes: 30_000 });
