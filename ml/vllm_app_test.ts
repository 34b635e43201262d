/** Tests adapters on vLLM: the service on a server that behaves like it, against the same adapters on llama.cpp here. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type GenerateResult, generateResultSchema } from "../contract/ml.ts";
import { createLogger, silentLogger } from "../lib/log.ts";
import { assertError } from "../tests/support/ml/ml_service.ts";
import { publishTinyAdapter } from "../tests/support/ml/tiny_adapter.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { PROMPT } from "../tests/support/ml/tiny_gguf_engine.ts";
import { type VllmOptions, VllmServer } from "../tests/support/ml/vllm_server.ts";
import { completed, start } from "../tests/support/training/training_client.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { createMlApp } from "./app.ts";
import { mlConfigFrom } from "./config.ts";
import { createContext, type MlContext } from "./context.ts";
import { createLlamaEngine } from "./engine/llama/llama.ts";

const SEEN = "/mnt/adapters";

interface VllmService extends MlContext {
  dir: string;
  vllm: VllmServer;
  /** What the folder of adapters holds. */
  folders(): string[];
  request(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown): Promise<Response>;
  /** A reply to a fixed prompt, the most probable one. */
  draft(body?: Record<string, unknown>): Promise<GenerateResult>;
}

function foldersIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

/** Starts the service as its settings say, on a server. */
async function openService(dir: string, vllm: VllmServer): Promise<MlContext> {
  const config = mlConfigFrom({
    DATA_DIR: dir,
    ENGINE: "openai",
    ENGINE_URL: vllm.url,
    ENGINE_ADAPTERS: "vllm",
    ENGINE_BASE_MODEL: join(dir, "tiny.gguf"),
    ENGINE_ADAPTERS_DIR: join(dir, "for-vllm"),
    ENGINE_ADAPTERS_PATH: SEEN,
    SEQUENCES: "2",
  });
  const context = await createContext(config, { log: createLogger({ level: "error", write: () => {} }) });
  await context.models.start();
  return context;
}

function vllmTest(
  name: string,
  use: (service: VllmService) => Promise<void>,
  options: Partial<VllmOptions> = {},
): void {
  Deno.test(name, () =>
    inTempDir(async (dir) => {
      const modelPath = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
      const real = join(dir, "for-vllm");
      await using vllm = await VllmServer.start({
        modelPath,
        modelId: "tiny",
        adapters: { seen: SEEN, real },
        ...options,
      });
      await using context = await openService(dir, vllm);
      const app = createMlApp(context);
      const request = async (path: string, init?: RequestInit) => await app.request(path, init);
      const post: VllmService["post"] = (path, body) =>
        request(path, {
          method: "POST",
          body: JSON.stringify(body),
          headers: { "content-type": "application/json" },
        });
      const draft: VllmService["draft"] = async (body = {}) => {
        const wanted = { prompt: PROMPT, temperature: 0, repeat_penalty: 1, max_tokens: 12, ...body };
        const answer = await post("/generate", wanted);
        assert.equal(answer.status, 200, await answer.clone().text());
        return generateResultSchema.parse(await answer.json());
      };
      await use({ ...context, dir, vllm, folders: () => foldersIn(real), request, post, draft });
    }));
}

function loadsOf({ vllm }: VllmService): string[] {
  return vllm.requests.filter((line) => line.startsWith("/v1/load_lora_adapter"));
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

vllmTest("a draft with an adapter on vLLM is that of the same adapter on llama.cpp here", async (service) => {
  const { id } = await publishTinyAdapter(service);
  const adapter = await service.adapters.require(id);
  await using here = await createLlamaEngine({
    gpu: "off",
    threads: 1,
    sequences: 1,
    contextSize: 512,
    queueLimit: 1,
    log: silentLogger(),
  });
  await here.load({ id: "tiny", path: join(service.dir, "tiny.gguf") });
  const asked = { prompt: PROMPT, maxTokens: 12, temperature: 0, topP: 1, repeatPenalty: 1, stop: [] };
  const expected = await here.generate({ ...asked, adapter });
  const alone = await here.generate(asked);
  assert.notEqual(expected.text, alone.text);

  const draft = await service.draft({ adapter_id: id });
  assert.equal(draft.response, expected.text);
  assertNear(draft.confidence, expected.confidence, 1e-3);
  assert.equal(draft.model_version, `tiny+${id}`);
  assert.equal(draft.adapter?.probe, "agrees");
  assertNear(draft.adapter?.shift ?? NaN, draft.adapter?.expected_shift ?? NaN, 1e-2);
  const without = await service.draft();
  assert.deepEqual([without.response, without.model_version], [alone.text, "tiny"]);

  const samples = [{ input: PROMPT, output: "yes, at eight" }, { input: "what time?", output: "no idea" }];
  const answer = await service.post("/evaluate", { samples, adapter_id: id });
  const evaluated = await answer.json();
  const likelihoods = await here.evaluate({ samples, adapter });
  for (const [index, { tokens, logLikelihood }] of likelihoods.entries()) {
    assert.equal(evaluated.samples[index].tokens, tokens);
    assertNear(evaluated.samples[index].log_likelihood, logLikelihood, 1e-2);
  }
});

vllmTest(
  "an adapter is loaded once, whoever asks at the same time, and is named in each request",
  async (service) => {
    const { id } = await publishTinyAdapter(service);
    const before = loadsOf(service).length;
    await Promise.all(["hi", "so?", "free?"].map((text) => {
      return service.draft({ prompt: `Them: ${text}\nMe:`, adapter_id: id, n: 2, temperature: 1 });
    }));
    const [name] = service.vllm.loaded;
    assert.ok(name?.startsWith(`assistant-adapter-${id}-`));
    assert.deepEqual(service.folders(), service.vllm.loaded, "what proved it is gone");
    assert.equal(loadsOf(service).length, before + 1);
    const chats = service.vllm.requests.filter((line) => line.startsWith("/v1/chat/completions"));
    assert.deepEqual(chats, Array(6).fill(`/v1/chat/completions ${name}`));
    const { models } = await (await service.request("/models")).json();
    assert.deepEqual(models.map((model: { id: string }) => model.id), ["tiny"], "adapters are no models");
  },
);

vllmTest("what is trained here is proven and served there", async (service) => {
  await start(service, { epochs: 2, learning_rate: 2e-2 });
  const { result } = await completed(service, "job-1");
  const draft = await service.draft({ adapter_id: result?.adapter_id });
  assert.equal(draft.model_version, `tiny+${result?.adapter_id}`);
  assert.equal(draft.adapter?.probe, "agrees");
});

vllmTest("a training that ends while vLLM is away waits for it and loses nothing", async (service) => {
  const refused = service.vllm.refusals.next;
  service.vllm.setDown(true);
  await start(service);
  await refused;
  service.vllm.setDown(false);
  const { result } = await completed(service, "job-1");
  const draft = await service.draft({ adapter_id: result?.adapter_id });
  assert.equal(draft.adapter?.probe, "agrees");
});

for (const [what, method, path] of [["deleted", "DELETE", ""], ["tainted", "POST", "/taint"]] as const) {
  vllmTest(`an adapter that is ${what} is unloaded, and nothing of it stays`, async (service) => {
    const { id } = await publishTinyAdapter(service);
    await service.draft({ adapter_id: id });
    assert.equal(service.vllm.loaded.length, 1);
    assert.equal((await service.request(`/models/adapters/${id}${path}`, { method })).status, 200);
    assert.deepEqual([service.vllm.loaded, service.folders()], [[], []]);
  });
}

vllmTest("once vLLM has started again, an adapter is loaded again", async (service) => {
  const { id } = await publishTinyAdapter(service);
  const first = await service.draft({ adapter_id: id });
  service.vllm.restart();
  const before = loadsOf(service).length;
  const prompts = ["Them: hello?\nMe:", "Them: there?\nMe:"];
  await Promise.all(prompts.map((prompt) => service.draft({ prompt, adapter_id: id })));
  assert.equal(loadsOf(service).length, before + 1);
  const again = await service.draft({ adapter_id: id, repeat_penalty: 1.0001 });
  assert.equal(again.response, first.response);
});

vllmTest("what cannot be unloaded is unloaded later, and its numbers are gone at once", async (service) => {
  const { id } = await publishTinyAdapter(service);
  await service.draft({ adapter_id: id });
  service.vllm.setDown(true);
  await service.request(`/models/adapters/${id}`, { method: "DELETE" });
  const [left = ""] = service.folders();
  assert.deepEqual(foldersIn(join(service.dir, "for-vllm", left)), []);
  service.vllm.setDown(false);
  assert.equal(service.vllm.loaded.length, 1);
  await service.models.reload();
  assert.deepEqual([service.vllm.loaded, service.folders()], [[], []]);
});

Deno.test("what an earlier process left on vLLM is unloaded at the start, and what this one loaded at its end", () =>
  inTempDir(async (dir) => {
    const modelPath = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const real = join(dir, "for-vllm");
    await using vllm = await VllmServer.start({ modelPath, modelId: "tiny", adapters: { seen: SEEN, real } });
    const name = "assistant-adapter-old-0";
    await Deno.mkdir(join(real, name), { recursive: true });
    await Deno.writeTextFile(join(real, name, "adapter_config.json"), JSON.stringify({ r: 4 }));
    const body = JSON.stringify({ lora_name: name, lora_path: `${SEEN}/${name}` });
    const loaded = await fetch(`${vllm.url}/load_lora_adapter`, { method: "POST", body });
    assert.match(await loaded.text(), /added successfully/);
    {
      await using context = await openService(dir, vllm);
      assert.deepEqual([vllm.loaded, foldersIn(real)], [[], []]);
      const { id } = await publishTinyAdapter({ ...context, dir });
      const adapter = await context.adapters.require(id);
      await context.engine.generate({ ...ASKED, adapter });
      assert.equal(vllm.loaded.length, 1);
    }
    assert.deepEqual([vllm.loaded, foldersIn(real)], [[], []]);
  }));

const ASKED = { prompt: PROMPT, maxTokens: 2, temperature: 0, topP: 1, repeatPenalty: 1, stop: [] };

const REFUSALS: [string, Partial<VllmOptions>, RegExp][] = [
  ["--enable-lora", { enableLora: false }, /start it with --enable-lora$/],
  [
    "a rank so high",
    { maxRank: 2 },
    /has rank 4, and vLLM takes 2 at most: start it with --max-lora-rank 4$/,
  ],
  ["run-time updates", { allowsUpdating: false }, /VLLM_ALLOW_RUNTIME_LORA_UPDATING=True$/],
  ["our folder", { adapters: { seen: "/elsewhere", real: "/" } }, /ENGINE_ADAPTERS_PATH must be/],
];
for (const [what, options, sentence] of REFUSALS) {
  vllmTest(`a vLLM without ${what} says so in a sentence to whoever runs it`, async (service) => {
    const { id } = await publishTinyAdapter(service);
    Object.assign(service.vllm.options, options);
    const answer = await service.post("/generate", { prompt: PROMPT, adapter_id: id });
    assert.match(await assertError(answer, "409 conflict"), sentence);
    await assert.rejects(publishTinyAdapter(service, { seed: 2 }), sentence);
    assert.deepEqual([service.vllm.loaded, service.folders()], [[], []]);
  });
}

vllmTest("an adapter that vLLM takes and does not apply is refused", async (service) => {
  const { id } = await publishTinyAdapter(service);
  service.vllm.options.ignoresAdapters = true;
  const answer = await service.post("/generate", { prompt: PROMPT, adapter_id: id });
  assert.match(await assertError(answer, "409 adapter_unproven"), /does not change the model/);
  assert.deepEqual([service.vllm.loaded, service.folders()], [[], []]);
});

Deno.test("adapters on vLLM take all of their settings", () => {
  assert.throws(
    () => mlConfigFrom({ ENGINE_ADAPTERS: "vllm" }),
    /ENGINE must be openai .*ENGINE_BASE_MODEL must be set .*ENGINE_ADAPTERS_DIR must be set/s,
  );
});
