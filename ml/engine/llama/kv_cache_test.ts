/** Tests keys and values of 8 bits: they are used, and change little. */
import assert from "node:assert/strict";
import { getLlama } from "node-llama-cpp";
import { silentLogger } from "../../../lib/log.ts";
import { buildLlamaGguf } from "../../../tests/support/ml/llama_gguf.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import type { KvCacheType } from "../libllama/native_context.ts";
import { evaluateSamples } from "./llama_evaluation.ts";
import { type LoadedModel, loadModel } from "./llama_model.ts";

const SHAPE = { layers: 2, width: 64, heads: 2, keyValueHeads: 1, headWidth: 32, feedForward: 96 };
const SAMPLES = [
  { input: "Them: are you coming tonight?\nMe:", output: "yes, I will be there at eight" },
  { input: "Them: where were you?\nMe: at home\nThem: and now?\nMe:", output: "on my way" },
];

/** Runs with a model's file on llama.cpp. */
async function withModel<Result>(
  path: string,
  kvCache: KvCacheType,
  use: (loaded: LoadedModel) => Promise<Result>,
): Promise<Result> {
  await using llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
  await using loaded = await loadModel(llama, { id: "small", path }, {
    contextSize: 512,
    sequences: 2,
    threads: 1,
    adapterContexts: 1,
    kvCache,
    log: silentLogger(),
  });
  return await use(loaded);
}

Deno.test("keys and values of 8 bits give nearly the same probabilities, and not quite", () =>
  inTempDir(async (dir) => {
    const path = await buildLlamaGguf({ dir, architecture: "llama", shape: SHAPE });
    const measure = (kvCache: KvCacheType) =>
      withModel(path, kvCache, (loaded) => evaluateSamples(loaded, SAMPLES, {}));
    const [exact, rounded] = [await measure("f16"), await measure("q8_0")];
    for (const [index, { tokens, logLikelihood }] of exact.entries()) {
      const difference = Math.abs((rounded[index]?.logLikelihood ?? NaN) - logLikelihood) / tokens;
      assert.ok(difference > 0 && difference < 0.02, `${difference} a token`);
    }
  }));

Deno.test("a model whose heads do not fit 8 bits is refused with the setting to change", () =>
  inTempDir(async (dir) => {
    const path = await buildTinyGguf({ path: `${dir}/tiny.gguf` });
    await assert.rejects(withModel(path, "q8_0", () => Promise.resolve()), /KV_CACHE=f16 suits all/);
  }));
