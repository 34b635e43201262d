/** Reads an adapter in PEFT's format for llama.cpp, as its own conversion does: names, order of heads, metadata. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { tensorsIn } from "./safetensors_reader.ts";
import { type GgufTensor, writeGguf } from "./tiny_gguf_writer.ts";

/** Of the tiny model. */
const HEAD_WIDTH = 16;

const NAME = /^base_model\.model\.model\.layers\.(\d+)\.self_attn\.([qkvo])_proj\.lora_([AB])\.weight$/;
const TARGETS: Record<string, string> = { q: "attn_q", k: "attn_k", v: "attn_v", o: "attn_output" };

/** Halves of a head become neighbours: [heads, 2, half, columns] becomes [heads, half, 2, columns]. */
function interleaved(numbers: Float32Array, columns: number): Float32Array {
  const half = HEAD_WIDTH / 2;
  return numbers.map((_, index) => {
    const row = Math.floor(index / columns);
    const inHead = row % HEAD_WIDTH;
    const from = row - inHead + (inHead % 2) * half + Math.floor(inHead / 2);
    return numbers[from * columns + index % columns] ?? NaN;
  });
}

/** The adapter of a folder as a GGUF file. */
export async function ggufOfPeft(folder: string): Promise<Uint8Array<ArrayBuffer>> {
  const config = JSON.parse(await Deno.readTextFile(join(folder, "adapter_config.json")));
  const file = await Deno.readFile(join(folder, "adapter_model.safetensors"));
  const tensors = [...tensorsIn(file)].map(
    ([name, { shape: [rows = 0, columns = 0], numbers }]): GgufTensor => {
      const [, layer, projection = "", side = ""] = NAME.exec(name) ?? assert.fail(name);
      const isRotated = side === "B" && (projection === "q" || projection === "k");
      return {
        name: `blk.${layer}.${TARGETS[projection]}.weight.lora_${side.toLowerCase()}`,
        shape: [columns, rows],
        data: isRotated ? interleaved(numbers, columns) : numbers,
      };
    },
  );
  return writeGguf({
    metadata: {
      "general.type": { type: "string", value: "adapter" },
      "general.architecture": { type: "string", value: "llama" },
      "adapter.type": { type: "string", value: "lora" },
      "adapter.lora.alpha": { type: "f32", value: config.lora_alpha },
    },
    tensors,
  });
}
