/** Owns the table of how far the graph's logits are from llama.cpp's: by weight type and length, on the same files. */
import { writeLine } from "../../lib/log.ts";
import type { TypeName } from "../../ml/training/ggml/constants.ts";
import {
  differenceOf,
  graphTable,
  llamaTable,
  openOracle,
  withParts,
} from "../../ml/training/model/model_oracle_suite.ts";
import type { FixedFormat } from "../../ml/training/model/weight_plan.ts";
import { buildLlamaGguf } from "../../tests/support/llama_gguf.ts";
import { fetchSmallModel } from "../../tests/support/small_model.ts";
import { tableLines } from "../style/table.ts";

/** Wide enough for K-quants, which hold 256 numbers in a block. */
const SHAPE = { layers: 2, width: 256, heads: 4, keyValueHeads: 1, feedForward: 512 };
const TYPES: readonly TypeName[] = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];
const LENGTHS = [1, 17, 200];
const COMPARED_ROWS = 3;
/** Every model of the table knows these tokens. */
const TOKENS = 300;

type Oracle = Awaited<ReturnType<typeof openOracle>>;

/** At each length the largest difference of a log-probability and the mean. */
async function differences(
  llama: Oracle,
  options: { path: string; weights: FixedFormat },
): Promise<string[]> {
  const { path, weights } = options;
  const cells: string[] = [];
  for (const length of LENGTHS) {
    const tokens = Array.from({ length }, (_, index) => (index * 7919 + 11) % TOKENS);
    const count = Math.min(COMPARED_ROWS, length);
    const expected = await llamaTable(llama, path, { tokens, count });
    const use = (parts: Parameters<typeof graphTable>[0]) => graphTable(parts, tokens, { count });
    const { most, mean } = differenceOf(await withParts(path, { weights, use }), expected);
    cells.push(`${most.toPrecision(2)} (${mean.toPrecision(2)})`);
  }
  return cells;
}

/** Prints one table: a row for each weight type of a small file, and for the real model. */
export async function measureOracles(): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await using llama = await openOracle();
    const rows: string[][] = [];
    for (const type of TYPES) {
      const path = await buildLlamaGguf({ dir, shape: SHAPE, type });
      for (const weights of ["f32", "file"] as const) {
        rows.push([type, weights, ...await differences(llama, { path, weights })]);
      }
      await Deno.remove(path);
    }
    const { path } = await fetchSmallModel();
    for (const weights of ["file", "mixed", "q8_0"] as const) {
      rows.push(["the small model, q4_1", weights, ...await differences(llama, { path, weights })]);
    }
    writeLine(
      "log-probabilities of all tokens against llama.cpp's: largest difference (mean), by length in tokens",
    );
    const head = ["file", "weights kept as", ...LENGTHS.map((length) => `${length}`)];
    for (const line of tableLines(head, rows)) writeLine(line);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
