/** Tests the graph's logits against llama.cpp's own on the same file: shapes, weight types, position scalings. */
import assert from "node:assert/strict";
import type { Llama } from "node-llama-cpp";
import { buildLlamaGguf, type LlamaGgufOptions, SMALL_SHAPE } from "../../../tests/support/ml/llama_gguf.ts";
import type { TypeName } from "../ggml/constants.ts";
import { openGgml } from "../ggml/library.ts";
import { matrixUnitMemory } from "../ggml/matrix_unit.ts";
import type { FixedFormat } from "./weight_plan.ts";
import {
  COMPARED_ROWS,
  differenceOf,
  differencesFromLlama,
  graphTable,
  type LoadedModel,
  openOracle,
  WIDE_SHAPE,
  withLoadedModel,
} from "../../../tests/suites/training/model_oracle_suite.ts";

async function compare(
  llama: Llama,
  file: Omit<LlamaGgufOptions, "dir">,
  options: { weights: FixedFormat; most: number; mean?: number },
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = await buildLlamaGguf({ ...file, dir });
    const { weights } = options;
    for (const { length, most, mean } of await differencesFromLlama(llama, { path, weights })) {
      const what = `${JSON.stringify(file)} as ${weights} at ${length} tokens`;
      assert.ok(most <= options.most && mean <= (options.mean ?? options.most), `${most}, ${mean}: ${what}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("logits of 32-bit weights equal llama.cpp's, whatever the shape and the position scaling", async () => {
  await using llama = await openOracle();
  const yarn = { "rope.scaling.type": "yarn" };
  const files: Omit<LlamaGgufOptions, "dir">[] = [
    {},
    { tied: true },
    { shape: { ...SMALL_SHAPE, headWidth: 32 } },
    { shape: { ...SMALL_SHAPE, keyValueHeads: 4 } },
    { shape: { ...SMALL_SHAPE, keyValueHeads: 1, layers: 1 } },
    { ropeFactors: true },
    { numbers: { "rope.freq_base": 500_000, "rope.scaling.factor": 4 } },
    { texts: yarn, numbers: { "rope.scaling.factor": 4, "rope.scaling.original_context_length": 256 } },
    {
      architecture: "mistral3",
      texts: yarn,
      numbers: {
        "rope.freq_base": 1e6,
        "rope.scaling.factor": 16,
        "rope.scaling.original_context_length": 512,
        "rope.scaling.yarn_log_multiplier": 1,
        "attention.temperature_scale": 0.1,
      },
    },
  ];
  files.push(
    { architecture: "llama", biases: true },
    { architecture: "qwen2" },
    { architecture: "qwen2", tied: true, shape: { ...SMALL_SHAPE, keyValueHeads: 1 } },
    { architecture: "qwen3", shape: { ...SMALL_SHAPE, headWidth: 32 } },
    { architecture: "qwen3", texts: yarn, numbers: { "rope.scaling.factor": 4, "rope.freq_base": 1e6 } },
  );
  // Measured at most 1.3e-5 where log-probabilities reach down to -15.
  for (const file of files) await compare(llama, file, { weights: "f32", most: 5e-5 });
});

Deno.test("logits of gemma3 equal llama.cpp's up to the 16 bits of its GELU", async () => {
  await using llama = await openOracle();
  const shape = { ...SMALL_SHAPE, layers: 7, headWidth: 32 };
  const window = { "attention.sliding_window": 32, "rope.freq_base": 1e6 };
  const files: Omit<LlamaGgufOptions, "dir">[] = [
    { tied: true, shape, numbers: window },
    { shape, numbers: { ...window, "rope.freq_base_swa": 500, "rope.scaling.factor": 8 } },
    { tied: true, shape: { ...SMALL_SHAPE, layers: 2 } },
  ];
  // Measured at most 2.1e-3, on average 5.3e-4.
  for (const file of files) {
    await compare(llama, { ...file, architecture: "gemma3" }, { weights: "f32", most: 5e-3, mean: 1e-3 });
  }
});

Deno.test("logits of every weight type equal llama.cpp's up to its rounding of activations", async () => {
  await using llama = await openOracle();
  const types: TypeName[] = ["bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_K", "q5_K", "q6_K"];
  await compare(llama, { shape: WIDE_SHAPE, type: "f16" }, { weights: "f32", most: 0.01 });
  // llama.cpp rounds activations to 8 bits with these types, the graph with 32-bit weights does not.
  for (const type of types) {
    await compare(llama, { shape: WIDE_SHAPE, type }, { weights: "f32", most: 0.5, mean: 0.1 });
  }
});

Deno.test("weights stored as in the file, or as 8-bit or 16-bit, give llama.cpp's logits", async () => {
  await using llama = await openOracle();
  await compare(llama, { shape: WIDE_SHAPE, type: "q4_1" }, { weights: "file", most: 1e-5 });
  for (const weights of ["q8_0", "bf16", "mixed"] as const) {
    for (const type of ["f32", "q4_K"] as const) {
      await compare(llama, { shape: WIDE_SHAPE, type }, { weights, most: 0.7, mean: 0.13 });
    }
  }
});

Deno.test("a processor's matrix unit gives the same logits as the same weights without it", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const tokens = Array.from({ length: 40 }, (_, index) => (index * 31 + 5) % 300);
    for (const type of ["q8_0", "q4_1", "q6_K"] as const) {
      const path = await buildLlamaGguf({ dir, shape: WIDE_SHAPE, type });
      const tables = await Promise.all([true, false].map((wanted) => {
        const matrixUnit = wanted && matrixUnitMemory(openGgml()) !== null;
        const use = (parts: LoadedModel) => graphTable(parts, tokens, { count: COMPARED_ROWS });
        return withLoadedModel(path, { weights: "file", matrixUnit, use });
      }));
      // Both round activations to 8 bits, K-quants in other blocks.
      const { most } = differenceOf(tables[0] ?? [], tables[1] ?? []);
      assert.ok(most < 0.1, `${type}: ${most}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
