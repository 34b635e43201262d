/** An adapter as PEFT reads it: a folder with its settings and its matrices, named and ordered as transformers has them. */
import { zipSync } from "fflate";
import { ROPE_TYPE_NORMAL } from "../training/ggml/constants.ts";
import { GgufFile, type GgufTensorInfo } from "../training/ggml/gguf_file.ts";
import { openGgml } from "../training/ggml/library.ts";
import { type Hyperparameters, readHyperparameters } from "../training/model/hyperparameters.ts";
import { LORA_TARGETS, type LoraTarget } from "../training/trainer.ts";
import { ModelError } from "./model_file.ts";
import { type FloatTensor, safetensorsOf } from "./safetensors.ts";

/** What transformers calls the matrices of a layer. */
const MODULES: Record<LoraTarget, string> = {
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const TENSOR_NAME = /^blk\.(\d+)\.(\w+)\.weight\.lora_([ab])$/;

/** One matrix of the adapter's file: A as [rank, input], B as [output, rank]. */
interface LoraMatrix {
  layer: number;
  target: LoraTarget;
  side: "A" | "B";
  rows: number;
  columns: number;
  numbers: Float32Array<ArrayBuffer>;
}

function isTarget(name: string): name is LoraTarget {
  return LORA_TARGETS.some((target) => target === name);
}

function matrixOf(file: GgufFile, info: GgufTensorInfo): LoraMatrix {
  const [, layer = "", target = "", side = ""] = TENSOR_NAME.exec(info.name) ?? [];
  if (!isTarget(target) || info.type !== "f32") {
    throw new ModelError(`The adapter's file holds ${info.name} of type ${info.type}, which is not known`);
  }
  const [columns, rows] = info.shape;
  const bytes = new Uint8Array(info.sizeBytes);
  file.readTensor(info, bytes);
  const numbers = new Float32Array(bytes.buffer);
  return { layer: Number(layer), target, side: side === "a" ? "A" : "B", rows, columns, numbers };
}

/**
 * A matrix with the rows of each head in the order of transformers.
 *
 * The two numbers that a rotation turns are half a head apart in transformers; in GGUF files of `llama` and `mistral3`
 * they are neighbours. Source: `LlamaModel.permute` of llama.cpp's convert_hf_to_gguf.py, which this undoes.
 */
function withHalvedHeads(
  { rows, columns, numbers }: LoraMatrix,
  headWidth: number,
): Float32Array<ArrayBuffer> {
  const ordered = new Float32Array(numbers.length);
  const half = headWidth / 2;
  for (let row = 0; row < rows; row++) {
    const inHead = row % headWidth;
    const from = row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
    ordered.set(numbers.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return ordered;
}

function tensorOf(matrix: LoraMatrix, { headWidth, rope }: Hyperparameters): FloatTensor {
  const { layer, target, side, rows, columns, numbers } = matrix;
  const isRotated = side === "B" && (target === "attn_q" || target === "attn_k");
  const isReordered = isRotated && rope.mode === ROPE_TYPE_NORMAL;
  return {
    name: `base_model.model.model.layers.${layer}.${MODULES[target]}.lora_${side}.weight`,
    shape: [rows, columns],
    numbers: isReordered ? withHalvedHeads(matrix, headWidth) : numbers,
  };
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}

/** PEFT's `LoraConfig`. Training scales B·A by alpha / rank, as PEFT does. */
function configOf(
  matrices: readonly LoraMatrix[],
  options: { alpha: number; layers: number; baseModel: string },
): Record<string, unknown> {
  const layers = unique(matrices.map(({ layer }) => layer)).sort((a, b) => a - b);
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: options.baseModel,
    r: matrices.find(({ side }) => side === "A")?.rows,
    lora_alpha: options.alpha,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules: unique(matrices.map(({ target }) => MODULES[target].split(".")[1])),
    layers_to_transform: layers.length === options.layers ? null : layers,
  };
}

/**
 * An adapter's file as PEFT's two files, `adapter_config.json` and `adapter_model.safetensors`, by name.
 *
 * @param base the model it was trained on
 * @throws ModelError for a file that is no adapter of ours; TrainingError for one that cannot be read
 */
export function peftFilesOf(
  adapterPath: string,
  base: { path: string; id: string },
): Record<string, Uint8Array<ArrayBuffer>> {
  const ggml = openGgml();
  using adapter = new GgufFile(ggml, adapterPath);
  using model = new GgufFile(ggml, base.path);
  const hyperparameters = readHyperparameters(model);
  const matrices = [...adapter.tensors.values()].map((info) => matrixOf(adapter, info));
  const alpha = adapter.number("adapter.lora.alpha");
  if (alpha === undefined) throw new ModelError("The adapter's file does not say its alpha");
  const config = configOf(matrices, { alpha, layers: hyperparameters.layers, baseModel: base.id });
  return {
    "adapter_config.json": new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`),
    "adapter_model.safetensors": safetensorsOf(matrices.map((matrix) => tensorOf(matrix, hyperparameters))),
  };
}

/** The files of {@linkcode peftFilesOf} as a zip archive. Throws as it does. */
export function peftArchiveOf(
  adapterPath: string,
  base: { path: string; id: string },
): Uint8Array<ArrayBuffer> {
  // Floats hardly get smaller.
  return zipSync(peftFilesOf(adapterPath, base), { level: 0 });
}
