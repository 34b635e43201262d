/** Plans which matrices of a model are held in memory, in which type, and how many bytes they take. */
import { TYPE_BLOCKS, type TypeName } from "../ggml/constants.ts";
import type { GgufFile, GgufTensorInfo } from "../ggml/gguf_file.ts";
import { suitsMatrixUnit } from "../ggml/matrix_unit.ts";
import type { WeightFormat } from "../trainer.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import { TrainingError } from "../training_error.ts";

/** How a copy of a matrix is stored. */
export interface CopyPlan {
  type: TypeName;
  /** In the memory of the processor's matrix unit, which only products can read. */
  inMatrixUnit: boolean;
}

/** A frozen matrix: tensors of the file joined row by row for the forward pass, and its transposed copy. */
export interface MatrixPlan {
  /** The file's tensors whose rows follow one another; all have the same row length. */
  sources: readonly GgufTensorInfo[];
  /** Row length and rows of the joined matrix. */
  columns: number;
  rows: number;
  forward: CopyPlan;
  /** The transposed copy that the backward pass multiplies by; null where no gradient is needed below it. */
  backward: CopyPlan | null;
}

/** Norms of a layer's inputs, and those that only some architectures have. */
export const LAYER_NORMS = {
  attentionNorm: "attn_norm",
  feedForwardNorm: "ffn_norm",
  queryNorm: "attn_q_norm",
  keyNorm: "attn_k_norm",
  attentionResultNorm: "post_attention_norm",
  feedForwardResultNorm: "post_ffw_norm",
} as const;
export type LayerNorm = keyof typeof LAYER_NORMS;

export interface LayerPlan {
  /** Null for a norm that the architecture lacks. */
  norms: Readonly<Record<LayerNorm, GgufTensorInfo | null>>;
  /** Query, key and value: one product instead of three. */
  qkv: MatrixPlan;
  /** Of query, key and value; null without. */
  qkvBiases: readonly GgufTensorInfo[] | null;
  attentionOutput: MatrixPlan;
  gate: MatrixPlan;
  up: MatrixPlan;
  down: MatrixPlan;
}

export interface WeightPlan {
  /** Null when the output matrix is the token embedding too, and its rows can be read. */
  embedding: GgufTensorInfo | null;
  output: MatrixPlan;
  outputNorm: GgufTensorInfo;
  ropeFactors: GgufTensorInfo | null;
  layers: readonly LayerPlan[];
}

/** Bytes of a matrix of a type. */
export function matrixBytes(type: TypeName, columns: number, options: { rows: number }): number {
  const block = TYPE_BLOCKS[type];
  return columns / block.elements * block.bytes * options.rows;
}

/** Falls back to 16-bit floats where a type's blocks do not divide a row or one of its joined parts. */
function fitting(type: TypeName, parts: readonly number[]): TypeName {
  return parts.every((part) => part % TYPE_BLOCKS[type].elements === 0) ? type : "bf16";
}

/** A weight format other than `auto`. */
export type FixedFormat = Exclude<WeightFormat, "auto">;

/** Types of both copies; `file` leaves the forward one as it is in the file. */
const FORMAT_TYPES: Readonly<Record<FixedFormat, { forward: TypeName | "file"; backward: TypeName }>> = {
  f32: { forward: "f32", backward: "f32" },
  bf16: { forward: "bf16", backward: "bf16" },
  mixed: { forward: "bf16", backward: "q8_0" },
  q8_0: { forward: "q8_0", backward: "q8_0" },
  file: { forward: "file", backward: "q8_0" },
};

/** Joined tensors must have one type; mixed ones become 8-bit. */
function forwardType(sources: readonly GgufTensorInfo[], format: FixedFormat): TypeName {
  const { forward } = FORMAT_TYPES[format];
  if (forward !== "file") return forward;
  const types = new Set(sources.map((source) => source.type));
  const [only] = types;
  return types.size === 1 && only !== undefined ? only : "q8_0";
}

interface PlanOptions {
  format: FixedFormat;
  /** The lowest layer that is trained. */
  firstTrained: number;
  /** The processor has a matrix unit. */
  matrixUnit: boolean;
}

class Planner {
  readonly #file: GgufFile;
  readonly #planned = new Set<string>();
  readonly #format: FixedFormat;
  readonly #matrixUnit: boolean;

  constructor(file: GgufFile, { format, matrixUnit }: PlanOptions) {
    this.#file = file;
    this.#format = format;
    this.#matrixUnit = matrixUnit;
  }

  tensor(name: string): GgufTensorInfo {
    const info = this.optional(name);
    if (info !== null) return info;
    throw new TrainingError("model_unsupported", `The model file has no tensor ${name}`);
  }

  optional(name: string): GgufTensorInfo | null {
    this.#planned.add(name);
    return this.#file.tensors.get(name) ?? null;
  }

  /** @throws TrainingError `model_unsupported` for a tensor that the graph would not read */
  checkComplete(): void {
    for (const name of this.#file.tensors.keys()) {
      if (this.#planned.has(name)) continue;
      throw new TrainingError("model_unsupported", `This model cannot be trained: it has ${name}`);
    }
  }

  matrix(names: readonly string[], options: { transposed: boolean }): MatrixPlan {
    const sources = names.map((name) => this.tensor(name));
    const columns = sources[0]?.shape[0] ?? 0;
    const heights = sources.map(({ shape }) => shape[1]);
    const rows = heights.reduce((sum, height) => sum + height, 0);
    const { backward } = FORMAT_TYPES[this.#format];
    return {
      sources,
      columns,
      rows,
      forward: this.#copy(fitting(forwardType(sources, this.#format), [columns]), { columns, rows }),
      backward: options.transposed
        ? this.#copy(fitting(backward, heights), { columns: rows, rows: columns })
        : null,
    };
  }

  #copy(type: TypeName, shape: { columns: number; rows: number }): CopyPlan {
    return { type, inMatrixUnit: this.#matrixUnit && suitsMatrixUnit(type, shape) };
  }
}

const QKV = ["attn_q", "attn_k", "attn_v"];

/** Biases of all three or of none: llama.cpp takes them where the file has them, whatever the architecture. */
function planBiases(planner: Planner, index: number): GgufTensorInfo[] | null {
  const names = QKV.map((part) => `blk.${index}.${part}.bias`);
  return names.every((name) => planner.optional(name) === null)
    ? null
    : names.map((name) => planner.tensor(name));
}

function planNorms(planner: Planner, index: number, { features }: Hyperparameters): LayerPlan["norms"] {
  const norm = (of: LayerNorm, isThere = true) =>
    isThere ? planner.tensor(`blk.${index}.${LAYER_NORMS[of]}.weight`) : null;
  return {
    attentionNorm: norm("attentionNorm"),
    feedForwardNorm: norm("feedForwardNorm"),
    queryNorm: norm("queryNorm", features.normsHeads),
    keyNorm: norm("keyNorm", features.normsHeads),
    attentionResultNorm: norm("attentionResultNorm", features.normsResults),
    feedForwardResultNorm: norm("feedForwardResultNorm", features.normsResults),
  };
}

function planLayer(
  planner: Planner,
  index: number,
  { model, firstTrained }: PlanOptions & { model: Hyperparameters },
): LayerPlan {
  const name = (part: string) => `blk.${index}.${part}.weight`;
  const isTrained = index >= firstTrained;
  const matrix = (part: string) => planner.matrix([name(part)], { transposed: isTrained });
  return {
    norms: planNorms(planner, index, model),
    // Nothing below the lowest trained layer needs a gradient.
    qkv: planner.matrix(QKV.map(name), { transposed: index > firstTrained }),
    qkvBiases: planBiases(planner, index),
    attentionOutput: matrix("attn_output"),
    gate: matrix("ffn_gate"),
    up: matrix("ffn_up"),
    down: matrix("ffn_down"),
  };
}

/**
 * Plans how a model's weights are stored.
 *
 * @throws TrainingError `model_unsupported` when the file lacks a tensor of the architecture, or has one more
 */
export function planWeights(file: GgufFile, model: Hyperparameters, options: PlanOptions): WeightPlan {
  const planner = new Planner(file, options);
  const isTied = !file.tensors.has("output.weight");
  const output = planner.matrix([isTied ? "token_embd.weight" : "output.weight"], { transposed: true });
  const plan: WeightPlan = {
    embedding: isTied && !output.forward.inMatrixUnit ? null : planner.tensor("token_embd.weight"),
    output,
    outputNorm: planner.tensor("output_norm.weight"),
    ropeFactors: planner.optional("rope_freqs.weight"),
    layers: Array.from(
      { length: model.layers },
      (_, index) => planLayer(planner, index, { ...options, model }),
    ),
  };
  planner.checkComplete();
  return plan;
}

function planBytes({ columns, rows, forward, backward }: MatrixPlan): number {
  const transposed = backward === null ? 0 : matrixBytes(backward.type, rows, { rows: columns });
  return matrixBytes(forward.type, columns, { rows }) + transposed;
}

/** Bytes of all weights in memory, without the norms' few kilobytes. */
export function weightBytes(plan: WeightPlan): number {
  const layers = plan.layers.map(({ qkv, attentionOutput, gate, up, down }) =>
    [qkv, attentionOutput, gate, up, down].reduce((sum, matrix) => sum + planBytes(matrix), 0)
  );
  return layers.reduce(
    (sum, bytes) => sum + bytes,
    planBytes(plan.output) + (plan.embedding?.sizeBytes ?? 0),
  );
}
