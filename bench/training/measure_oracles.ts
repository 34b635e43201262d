/** Measures how far the graph's logits are from llama.cpp's on the same file, by weight type and length. */
import { writeLine } from "../../lib/log.ts";
import type { TypeName } from "../../ml/training/ggml/constants.ts";
import {
  COMPARED_LENGTHS,
  differencesFromLlama,
  openOracle,
  WIDE_SHAPE,
} from "../../tests/suites/training/model_oracle_suite.ts";
import type { FixedFormat } from "../../ml/training/model/weight_plan.ts";
import { buildLlamaGguf } from "../../tests/support/ml/llama_gguf.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { tableLines } from "../support/bench_output.ts";

const TYPES: readonly TypeName[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];

/** Prints one table: a row for each weight type of a small file, and for the real model. */
export async function measureOracles(): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await using llama = await openOracle();
    const rowOf = async (name: string, options: { path: string; weights: FixedFormat }) => {
      const differences = await differencesFromLlama(llama, options);
      const cells = differences.map(({ most, mean }) => `${most.toPrecision(2)} (${mean.toPrecision(2)})`);
      return [name, options.weights, ...cells];
    };
    const rows: string[][] = [];
    for (const type of TYPES) {
      const path = await buildLlamaGguf({ dir, shape: WIDE_SHAPE, type });
      for (const weights of ["f32", "file"] as const) rows.push(await rowOf(type, { path, weights }));
      await Deno.remove(path);
    }
    const { path } = await fetchSmallModel();
    for (const weights of ["file", "mixed", "q8_0"] as const) {
      rows.push(await rowOf("the small model, q4_1", { path, weights }));
    }
    writeLine(
      "log-probabilities of all tokens against llama.cpp's: largest difference (mean), by length in tokens",
    );
    const head = ["file", "weights stored as", ...COMPARED_LENGTHS.map(String)];
    for (const line of tableLines(head, rows)) writeLine(line);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
