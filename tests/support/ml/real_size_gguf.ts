/** Builds a file of the recommended model's exact shape and weight types, with seeded weights: as large and as slow. */
import { join } from "node:path";
import { exists } from "../../../lib/files.ts";
import type { TypeName } from "../../../ml/training/ggml/constants.ts";
import { buildLlamaGguf } from "./llama_gguf.ts";

/** Ministral 3 3B's text model, from its configuration on the hub. */
const SHAPE = { layers: 26, width: 3_072, heads: 32, keyValueHeads: 8, headWidth: 128, feedForward: 9_216 };
const VOCABULARY = 131_072;
/** Enough that a matrix does not fit into a cache. */
const DISTINCT_ROWS = 256;
const FILE_NAME = "ministral-3b-shape.gguf";

/** The weights that Q4_K_M stores in six bits: `use_more_bits` of llama.cpp's llama-quant.cpp. */
function typeOf(name: string): TypeName {
  if (name === "token_embd") return "q6_K";
  const [, layer, part] = /^blk\.(\d+)\.(.+)$/.exec(name) ?? [];
  const index = Number(layer);
  const eighth = Math.floor(SHAPE.layers / 8);
  const isMore = index < eighth || index >= Math.floor(7 * SHAPE.layers / 8) || (index - eighth) % 3 === 2;
  return isMore && (part === "attn_v" || part === "ffn_down") ? "q6_K" : "q4_K";
}

/** The path of the file in a folder; it is written where it is not there yet. */
export async function realSizeGguf(dir: string): Promise<string> {
  const path = join(dir, FILE_NAME);
  if (await exists(path)) return path;
  await Deno.mkdir(dir, { recursive: true });
  const draft = await buildLlamaGguf({
    dir,
    fileName: `${FILE_NAME}.part`,
    architecture: "mistral3",
    shape: SHAPE,
    vocabulary: VOCABULARY,
    distinctRows: DISTINCT_ROWS,
    tied: true,
    type: typeOf,
    texts: { "rope.scaling.type": "yarn" },
    numbers: {
      "context_length": 32_768,
      "rope.freq_base": 1e6,
      "rope.scaling.factor": 16,
      "rope.scaling.original_context_length": 16_384,
      "rope.scaling.yarn_log_multiplier": 1,
      "attention.temperature_scale": 0.1,
    },
  });
  await Deno.rename(draft, path);
  return path;
}
