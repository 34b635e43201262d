/** Tests the service over HTTP: llama.cpp on the tiny model, real KV, the fake engine only where a test must pause it. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { errorBodySchema } from "../contract/errors.ts";
import {
  clearCacheResponseSchema,
  evaluateResponseSchema,
  generateAsyncResponseSchema,
  type GenerateResult,
  generateResultSchema,
  type GenerateStatusResponse,
  generateStatusResponseSchema,
  healthResponseSchema,
  ML_JOB_STATUSES,
  modelListSchema,
  reloadResponseSchema,
} from "../contract/ml.ts";
import { checkExamples, checkOperations } from "../tests/support/api_document.ts";
import { GOLDEN_EXAMPLES } from "../tests/support/contract/golden.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import {
  assertError,
  eventsOf,
  type MlService,
  type MlServiceOptions,
  withMlService,
} from "../tests/support/ml/ml_service.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import type { Engine } from "./engine/engine.ts";
import { createFakeEngine } from "../tests/support/ml/fake_engine.ts";
import { silentLogger } from "../lib/log.ts";

const PROMPT = "Them: are you coming tonight?\nMe:";

/** A test of the app on llama.cpp with the tiny model loaded. */
function serviceTest(
  name: string,
  use: (service: MlService) => Promise<void>,
  options: Pick<MlServiceOptions, "token" | "model"> = {},
): void {
  Deno.test(name, () =>
    withTinyEngine({ engine: { queueLimit: 1 } }, ({ engine, dir }) => {
      return withMlService({ ...options, engine, dir }, use);
    }));
}

/** A test of the app on an engine that pauses after the first word until the test resumes it. */
function pausedTest(
  name: string,
  use: (service: MlService, held: PromiseWithResolvers<void>) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const dir = await Deno.makeTempDir();
    const held = Promise.withResolvers<void>();
    const beforeWord = (index: number) => index === 0 ? undefined : held.promise;
    const engine = createFakeEngine({ forTests: true, queueLimit: 1, beforeWord });
    await engine.load({ id: "fake", path: "" });
    try {
      await withMlService({ engine, dir }, (service) => use(service, held));
    } finally {
      held.resolve();
      await Deno.remove(dir, { recursive: true });
    }
  });
}

async function finished(service: MlService, jobId: string): Promise<GenerateStatusResponse> {
  await service.jobs.waitFor(jobId);
  const response = await service.request(`/generate/status/${jobId}`);
  return generateStatusResponseSchema.parse(await response.json());
}

serviceTest("the reference's own generation example is answered in its shape", async ({ post }) => {
  const example = GOLDEN_EXAMPLES.find(({ name }) => name === "generate");
  const response = await post("/generate", example?.request);
  assert.equal(response.status, 200);
  const result = generateResultSchema.parse(await response.json());
  assert.deepEqual([result.model_version, result.cached], ["tiny", false]);
  assert.ok(result.timings && result.timings.prompt_tokens > 0);
  for (const field of Object.keys(example?.response as object)) assert.ok(field in result, field);
});

serviceTest(
  "a repeatable request is answered from the cache until it is cleared",
  async ({ post, request }) => {
    const ask = async (extra: object): Promise<GenerateResult> => {
      const response = await post("/generate", { prompt: PROMPT, max_tokens: 8, ...extra });
      return generateResultSchema.parse(await response.json());
    };
    const first = await ask({ temperature: 0 });
    const second = await ask({ temperature: 0 });
    assert.deepEqual([first.cached, second.cached], [false, true]);
    assert.deepEqual([second.response, second.confidence], [first.response, first.confidence]);
    assert.equal((await ask({ temperature: 0.5, cache_key: "evening:1" })).cached, false);
    assert.equal((await ask({ temperature: 0.9, cache_key: "evening:1" })).cached, true);
    assert.equal((await ask({ temperature: 0.5 })).cached, false);
    assert.equal((await ask({ temperature: 0.5 })).cached, false, "a random reply is not kept");

    const clear = async (query: string) =>
      clearCacheResponseSchema.parse(await (await request(`/cache${query}`, { method: "DELETE" })).json());
    assert.deepEqual(await clear("?pattern=evening:*"), { invalidated: 1 });
    assert.deepEqual(await clear(""), { invalidated: 1 });
    assert.equal((await ask({ temperature: 0 })).cached, false);
  },
);

serviceTest("a reply streams as events whose pieces are the reply", async ({ post }) => {
  const headers = { accept: "text/event-stream" };
  for (const cached of [false, true]) {
    const response = await post("/generate", { prompt: PROMPT, max_tokens: 12, seed: 4 }, { headers });
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    const events = eventsOf(await response.text());
    const last = events.pop();
    const result = generateResultSchema.parse(last?.data);
    assert.deepEqual([last?.event, result.cached], ["done", cached]);
    assert.ok(events.length > 0 && events.every(({ event }) => event === "token"));
    assert.equal(events.map(({ data }) => data.text).join(""), result.response);
  }
});

serviceTest("a stream that fails before its first token is an ordinary error", async ({ post }) => {
  const headers = { accept: "text/event-stream" };
  const body = { prompt: "word ".repeat(5_000), raw: true };
  await assertError(await post("/generate", body, { headers }), "400 validation_failed");
});

serviceTest("a background generation is queued, runs and can be looked up", async (service) => {
  const response = await service.post("/generate/async", { prompt: PROMPT, max_tokens: 6 });
  assert.equal(response.status, 202);
  const { job_id: jobId, status } = generateAsyncResponseSchema.parse(await response.json());
  assert.ok(ML_JOB_STATUSES.includes(status));
  const job = await finished(service, jobId);
  assert.equal(job.status, "completed");
  assert.deepEqual([job.result?.model_version, job.error], ["tiny", null]);
  assert.ok(job.completed_at && job.completed_at >= job.created_at);
});

serviceTest("a background generation that cannot succeed fails with its reason", async (service) => {
  const response = await service.post("/generate/async", { prompt: "word ".repeat(5_000), raw: true });
  const { job_id: jobId } = generateAsyncResponseSchema.parse(await response.json());
  const job = await finished(service, jobId);
  assert.equal(job.status, "failed");
  assert.match(job.error ?? "", /at most \d+ tokens/);
});

pausedTest("a running background generation can be cancelled", async (service, held) => {
  const response = await service.post("/generate/async", { prompt: PROMPT });
  const { job_id: jobId } = generateAsyncResponseSchema.parse(await response.json());
  for await (const job of service.jobs.watch(jobId)) if (job.state === "running") break;
  const cancelled = await service.post(`/generate/cancel/${jobId}`, {});
  assert.equal(generateStatusResponseSchema.parse(await cancelled.json()).status, "cancelled");
  held.resolve();
  const after = await service.post("/generate", { prompt: PROMPT });
  assert.equal(after.status, 200, "its place is free");
  assert.equal((await finished(service, jobId)).status, "cancelled");
});

serviceTest("unknown and malformed job ids get different errors", async ({ request, post }) => {
  const unknown = crypto.randomUUID();
  await assertError(await request(`/generate/status/${unknown}`), "404 not_found");
  await assertError(await post(`/generate/cancel/${unknown}`, {}), "404 not_found");
  await assertError(await request("/generate/status/not-a-uuid"), "400 validation_failed");
});

pausedTest("a full queue is a 503 that says when to retry", async ({ post }, held) => {
  const ask = () => post("/generate", { prompt: PROMPT });
  const admitted = [ask(), ask()];
  let refused: Response;
  do refused = await Promise.race([ask(), ...admitted]); while (refused.status === 200);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  await assertError(refused, "503 queue_full");
  held.resolve();
  for (const response of await Promise.all(admitted)) assert.equal(response.status, 200);
});

pausedTest(
  "background generations beyond QUEUE_LIMIT are a 503, also when they come together",
  async ({ post }) => {
    const asked = Array.from({ length: 90 }, () => post("/generate/async", { prompt: PROMPT }));
    const answers = await Promise.all(asked);
    const accepted = answers.filter(({ status }) => status === 202).length;
    const refused = answers.filter(({ status }) => status === 503);
    assert.equal(accepted + refused.length, 90);
    // 64 wait by default, and some run.
    assert.ok(accepted >= 50 && accepted <= 64 + 8, `${accepted} were accepted`);
    for (const answer of refused) assert.ok(Number(answer.headers.get("retry-after")) > 0);
  },
);

pausedTest("a client that disconnects frees its slot", async ({ post, engine }, held) => {
  const leaving = new AbortController();
  const asked = post("/generate", { prompt: PROMPT }, { signal: leaving.signal });
  leaving.abort();
  held.resolve();
  await assertError(await asked, "499 cancelled");
  assert.equal(engine.occupancy.running, 0);
  assert.equal((await post("/generate", { prompt: PROMPT })).status, 200);
});

pausedTest("a reader that disconnects from a stream ends the generation", async ({ post, request }, held) => {
  const headers = { accept: "text/event-stream" };
  const response = await post("/generate", { prompt: PROMPT }, { headers });
  await response.body?.cancel();
  held.resolve();
  assert.equal((await post("/generate", { prompt: PROMPT })).status, 200);
  const metrics = await (await request("/metrics")).text();
  assert.match(
    metrics,
    /^assistant_ml_replies_total\{source="engine"\} 1$/m,
    "only the second one was finished",
  );
});

serviceTest("models are listed, and another one is loaded by its id only", async ({ request, post, dir }) => {
  await buildTinyGguf({ path: `${dir}/second.gguf`, seed: 2 });
  const list = async () => modelListSchema.parse(await (await request("/models")).json()).models;
  const ids = (await list()).map(({ id }) => id);
  assert.deepEqual(ids, ["smollm2-135m-instruct", "ministral-3b-instruct", "second", "tiny"]);
  assert.deepEqual((await list()).filter(({ loaded }) => loaded).map(({ id }) => id), ["tiny"]);

  const response = await post("/model/reload?model_id=second", {});
  const reloaded = reloadResponseSchema.parse(await response.json());
  assert.deepEqual(reloaded, { model_loaded: true, model_version: "second" });
  await assertError(await post("/model/reload?model_id=new-model-id", {}), "404 not_found");
  for (const id of ["../tiny", "/etc/passwd", "https://host/x.gguf", "a..b", "%2e%2e"]) {
    const refused = await post(`/model/reload?model_id=${encodeURIComponent(id)}`, {});
    await assertError(refused, "400 validation_failed");
  }
});

serviceTest(
  "a model that cannot be loaded or fetched leaves the one that is served",
  async ({ request, post, dir }) => {
    await Deno.writeTextFile(`${dir}/broken.gguf`, "no model");
    await assertError(await post("/model/reload?model_id=broken", {}), "503 model_not_loaded");
    await assertError(
      await post("/model/reload?model_id=ministral-3b-instruct", {}),
      "503 model_not_loaded",
    );
    const health = healthResponseSchema.parse(await (await request("/health")).json());
    assert.deepEqual([health.model_loaded, health.model_version], [true, "tiny"]);
    assert.equal((await post("/generate", { prompt: PROMPT, max_tokens: 4 })).status, 200);
  },
);

Deno.test("a model that is served by its path is listed, and loaded again by its own model_version", async () => {
  await withTinyEngine({}, async ({ engine, dir, path }) => {
    const [model, modelsDir] = [join(dir, "elsewhere", "My own.gguf"), join(dir, "models")];
    for (const folder of [modelsDir, dirname(model)]) await Deno.mkdir(folder);
    await Deno.copyFile(path, model);
    await Deno.copyFile(path, join(modelsDir, "other.gguf"));
    await withMlService({ engine, dir: modelsDir, model }, async ({ models, request, post }) => {
      await models.start();
      for (const id of ["My-own", "other", "My-own"]) {
        const response = await post(`/model/reload?model_id=${id}`, {});
        assert.deepEqual([response.status, (await response.json()).model_version], [200, id]);
        const { models: listed } = modelListSchema.parse(await (await request("/models")).json());
        assert.deepEqual(listed.filter(({ loaded }) => loaded).map((entry) => entry.id), [id]);
      }
      await assertError(await post("/model/reload?model_id=own", {}), "404 not_found");
    });
  });
});

serviceTest("one model is loaded at a time", async ({ post }) => {
  const answers = await Promise.all([post("/model/reload", {}), post("/model/reload", {})]);
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409]);
});

for (const [what, content] of [["missing", null], ["cut short", new Uint8Array(500)]] as const) {
  Deno.test(`a model file that is ${what} leaves the service up: health says why, generation is a 503`, async () => {
    await withTinyEngine({}, async ({ dir }) => {
      const { createLlamaEngine } = await import("./engine/llama/llama.ts");
      await using engine = await createLlamaEngine({
        gpu: "off",
        sequences: 1,
        contextSize: 512,
        queueLimit: 1,
        log: silentLogger(),
      });
      const model = `${dir}/wanted.gguf`;
      if (content) await Deno.writeFile(model, content);
      await withMlService({ engine, dir, model }, async ({ models, request, post }) => {
        await models.start();
        const health = healthResponseSchema.parse(await (await request("/health")).json());
        assert.deepEqual([health.status, health.model_loaded, health.model_version], [
          "degraded",
          false,
          null,
        ]);
        assert.match(health.reason ?? "", /wanted\.gguf/);
        await assertError(await request("/ready"), "503 model_not_loaded");
        const refused = await post("/generate", { prompt: PROMPT });
        assert.ok(Number(refused.headers.get("retry-after")) >= 1);
        await assertError(refused, "503 model_not_loaded");
        await buildTinyGguf({ path: model });
        assert.equal((await post("/model/reload", {})).status, 200, "fixed by putting the file there");
        assert.equal((await post("/generate", { prompt: PROMPT, max_tokens: 4 })).status, 200);
      });
    });
  });
}

Deno.test("while a model is being loaded, health says so", async () => {
  const dir = await Deno.makeTempDir();
  const loading = Promise.withResolvers<void>();
  const engine = createFakeEngine({ forTests: true });
  const slow: Engine = Object.create(engine, {
    load: {
      value: async (file: Parameters<Engine["load"]>[0]) => (await loading.promise, engine.load(file)),
    },
  });
  await Deno.writeTextFile(`${dir}/tiny.gguf`, "");
  await withMlService({ engine: slow, dir }, async ({ models, request }) => {
    const health = async () => healthResponseSchema.parse(await (await request("/health")).json());
    const started = models.start();
    const before = await health();
    assert.deepEqual([before.status, before.model_loaded], ["loading", false]);
    loading.resolve();
    await started;
    const after = await health();
    assert.deepEqual([after.status, after.model_version, after.kv_connected], ["healthy", "tiny", true]);
    assert.equal(after.redis_connected, after.kv_connected);
  });
  await Deno.remove(dir, { recursive: true });
});

serviceTest("samples are evaluated one by one and together", async ({ post }) => {
  const samples = [{ input: "How are you?", output: "Great!" }, { input: PROMPT, output: "yes, at eight" }];
  const response = await post("/evaluate", { samples });
  const evaluated = evaluateResponseSchema.parse(await response.json());
  assert.equal(evaluated.samples.length, 2);
  const sum = evaluated.samples.reduce((total, sample) => total + sample.log_likelihood, 0);
  assert.ok(Math.abs(evaluated.log_likelihood - sum) < 1e-9 && sum < 0);
  assert.ok(Math.abs(evaluated.loss + sum / evaluated.tokens) < 1e-9);
  await assertError(await post("/evaluate", { samples, adapter_id: "mine" }), "404 not_found");
  await assertError(await post("/evaluate", { samples: [] }), "400 validation_failed");
});

serviceTest("faulty requests are answered with what is wrong and where", async ({ request, post }) => {
  const faulty: [unknown, string][] = [
    [{}, "prompt"],
    [{ prompt: "" }, "prompt"],
    [{ prompt: 5 }, "prompt"],
    [{ prompt: "a\0b" }, "prompt"],
    [{ prompt: "a\ud800b" }, "prompt"],
    [{ prompt: "x".repeat(1_000_001) }, "prompt"],
    [{ prompt: "hi", max_tokens: 0 }, "max_tokens"],
    [{ prompt: "hi", max_tokens: 1.5 }, "max_tokens"],
    [{ prompt: "hi", temperature: -1 }, "temperature"],
    [{ prompt: "hi", temperature: "hot" }, "temperature"],
    [{ prompt: "hi", top_p: 0 }, "top_p"],
    [{ prompt: "hi", stop: "x" }, "stop"],
    [{ prompt: "hi", stop: [""] }, "stop.0"],
    [{ prompt: "hi", seed: -1 }, "seed"],
    [{ prompt: "hi", adapter_id: "../x" }, "adapter_id"],
  ];
  for (const path of ["/generate", "/generate/async"]) {
    for (const [body, fault] of faulty) {
      const response = await post(path, body);
      const error = errorBodySchema.parse(await response.json());
      assert.deepEqual([response.status, error.code], [400, "validation_failed"], fault);
      assert.equal(error.details?.[0]?.path, fault);
    }
    const json = { "content-type": "application/json" };
    const raw = (body: string | null, headers: HeadersInit) =>
      request(path, { method: "POST", body, headers });
    await assertError(await raw("{ nope", json), "400 malformed_json");
    await assertError(await raw(null, json), "400 malformed_json");
    await assertError(await raw("{}", { "content-type": "text/plain" }), "400 unsupported_media_type");
    await assertError(await raw(" ".repeat(5 * 1024 * 1024), json), "413 payload_too_large");
  }
  await assertError(await request("/nothing/here"), "404 not_found");
});

serviceTest("with a token, everything but health and documentation needs it", async ({ request, post }) => {
  assert.equal((await request("/ready")).status, 200);
  assert.equal((await request("/health")).status, 200);
  for (const path of ["/docs", "/docs/swagger-ui.css"]) assert.equal((await request(path)).status, 200, path);
  const { paths: documented } = await (await request("/openapi.json")).json();
  assert.deepEqual(documented["/models"].get.security, [{ bearer: [] }]);
  assert.equal(documented["/health"].get.security, undefined);
  const paths = ["/models", "/metrics", `/generate/status/${crypto.randomUUID()}`];
  for (const path of paths) await assertError(await request(path), "401 unauthorized");
  for (const path of ["/generate", "/generate/async", "/evaluate", "/model/reload", "/training/start"]) {
    await assertError(await post(path, { prompt: PROMPT }), "401 unauthorized");
  }
  await assertError(await request("/cache", { method: "DELETE" }), "401 unauthorized");
  for (const wrong of ["Bearer wrong", "Bearer s3cret-and-more", "Basic s3cret", "s3cret"]) {
    await assertError(await request("/models", { headers: { authorization: wrong } }), "401 unauthorized");
  }
  assert.equal((await request("/models", { headers: { authorization: "Bearer s3cret" } })).status, 200);
}, { token: "s3cret" });

serviceTest(
  "metrics count what was done, and the document describes every path",
  async ({ post, request }) => {
    await post("/generate", { prompt: PROMPT, max_tokens: 3, temperature: 0 });
    await post("/generate", { prompt: PROMPT, max_tokens: 3, temperature: 0 });
    const metrics = await (await request("/metrics")).text();
    assert.match(metrics, /^assistant_ml_replies_total\{source="engine"\} 1$/m);
    assert.match(metrics, /^assistant_ml_replies_total\{source="cache"\} 1$/m);
    assert.match(metrics, /^assistant_ml_tokens_total\{kind="generated"\} 3$/m);
    assert.match(metrics, /^assistant_ml_model_loaded 1$/m);
    const document = await (await request("/openapi.json")).json();
    checkOperations(document);
    checkExamples(document, ["getHealth", "postGenerate", "postStartTraining", "getTrainingStatus"]);
    for (const { path, method } of GOLDEN_EXAMPLES.filter(({ service }) => service === "ml")) {
      const template = (path.split("?")[0] ?? "").replace(/:(\w+)/g, "{$1}");
      assert.ok(document.paths[template]?.[method.toLowerCase()], `${method} ${template}`);
    }
    const streams = ["/generate", "/v1/chat/completions", "/v1/completions", "/training/events/{job_id}"];
    for (const path of streams) {
      const operation = document.paths[path].post ?? document.paths[path].get;
      const { schema } = operation.responses[200].content["text/event-stream"];
      assert.ok(schema.properties.data, `the events of ${path} are documented`);
    }
  },
);
