/** Tests that the memory estimate is close to what the graph really takes, and that `auto` decides by it. */
import assert from "node:assert/strict";
import { buildLlamaGguf, type GgufArchitecture } from "../../tests/support/ml/llama_gguf.ts";
import { activationBytes, autoFormats, choosePlan, estimateTrainingMemory } from "./memory_estimate.ts";
import { GgufFile } from "./ggml/gguf_file.ts";
import { openGgml } from "./ggml/library.ts";
import { packGroup } from "./model/micro_batch.ts";
import { ModelGraph } from "./model/model_graph.ts";
import { withLoadedModel } from "../../tests/suites/training/model_oracle_suite.ts";
import type { LoraOptions, TrainerOptions } from "./trainer.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const SHAPE = { layers: 8, width: 256, heads: 4, keyValueHeads: 2, feedForward: 704 };

async function withModel(
  use: (path: string) => Promise<void> | void,
  architecture?: GgufArchitecture,
): Promise<void> {
  await inTempDir(async (dir) => {
    await use(await buildLlamaGguf({ dir, shape: SHAPE, architecture }));
  });
}

async function compareActivations(path: string, lora: LoraOptions): Promise<void> {
  await withLoadedModel(path, {
    lora,
    weights: "mixed",
    use: (parts) => {
      for (const [count, length] of [[8, 60], [2, 250], [1, 600]] as const) {
        const sample = (index: number) => ({
          prompt: new Array(length - 20).fill(index),
          reply: new Array(20).fill(1),
        });
        const { shape } = packGroup(
          Array.from({ length: count }, (_, index) => ({ sample: sample(index), index })),
        );
        const options = {
          ...parts,
          shape,
          lora: parts.adapter.tensors({ scale: 1 }),
          train: true,
          exact: false,
        };
        using graph = new ModelGraph(parts.backend, options);
        const taken = graph.measure(parts.memory);
        const estimated = activationBytes(shape, parts);
        assert.ok(
          estimated >= taken * 0.95 && estimated <= taken * 1.5,
          `${estimated} for ${taken}: ${length}`,
        );
      }
      return Promise.resolve();
    },
  });
}

for (const architecture of ["llama", "qwen3", "gemma3"] as const) {
  Deno.test(`the activation estimate covers what the graph takes, and not much more: ${architecture}`, async () => {
    await withModel(async (path) => {
      for (const lora of [{ rank: 8 }, { rank: 8, layers: 3 }] satisfies LoraOptions[]) {
        await compareActivations(path, lora);
      }
    }, architecture);
  });
}

Deno.test("the estimate grows with rank, format and sample length, and auto takes what fits", async () => {
  await withModel((path) => {
    const options = { modelPath: path, lora: { rank: 4 }, seed: 1, threads: 1 };
    const of = (changes: Partial<TrainerOptions>, longestSample?: number) =>
      estimateTrainingMemory({ ...options, ...changes }, { longestSample });
    assert.ok(of({ lora: { rank: 16 } }).adapterBytes === 4 * of({}).adapterBytes);
    const [floats, bytes] = [of({ weights: "f32" }), of({ weights: "q8_0" })];
    // 34 bytes for 32 numbers; a vocabulary that blocks do not divide stays wider.
    assert.ok(floats.weightsBytes / bytes.weightsBytes > 3.4);
    assert.ok(of({ microBatchTokens: 2_048 }).activationsBytes > 3 * of({}).activationsBytes);
    assert.ok(of({}, 4_096).activationsBytes > 3 * of({}).activationsBytes);
    const { weightsBytes, adapterBytes, activationsBytes, totalBytes } = of({});
    assert.equal(totalBytes, weightsBytes + adapterBytes + activationsBytes);
    using file = new GgufFile(openGgml(), path);
    return withLoadedModel(path, {
      use: (parts) => {
        const chosen = choosePlan(file, parts, { weights: "auto", microBatchTokens: 64 });
        assert.equal(chosen.format, autoFormats()[0]);
        const tooMuch = choosePlan(file, parts, { weights: "auto", microBatchTokens: 1e12 });
        assert.equal(tooMuch.format, "file");
        return Promise.resolve();
      },
    });
  });
});
