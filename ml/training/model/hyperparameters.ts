/** Reads a llama-family model's shape from its GGUF metadata and refuses models that cannot be trained. */
import { ROPE_TYPE_NORMAL } from "../ggml/constants.ts";
import type { GgufFile } from "../ggml/gguf_file.ts";
import type { Rope } from "../ggml/tensor_context.ts";
import { TrainingError } from "../training_error.ts";

export interface Hyperparameters {
  architecture: string;
  layers: number;
  /** Width of the residual stream. */
  width: number;
  heads: number;
  /** Heads of keys and values; a divisor of `heads`. */
  keyValueHeads: number;
  /** Width of one head. */
  headWidth: number;
  feedForward: number;
  vocabularySize: number;
  contextLength: number;
  normEpsilon: number;
  rope: Rope;
}

/** Architectures with exactly this graph; mistral3 scales attention by position only beyond its original context. */
const ARCHITECTURES = ["llama", "mistral3"];

/** Features of other models of the family that the graph lacks. */
const UNSUPPORTED_KEYS = ["expert_count", "attention.sliding_window", "attention.scale"];
const UNSUPPORTED_TENSORS = /\.bias$|ffn_gate_exps|ffn_gate_inp|attn_(?:qkv|q_norm|k_norm)/;

/** YaRN's magnitude of attention for a context stretched by `factor`: arXiv 2309.00071, as llama.cpp has it. */
function yarnMagnitude(factor: number, weight: number): number {
  return factor <= 1 ? 1 : 1 + 0.1 * weight * Math.log(factor);
}

/** `ggml_rope_ext` applies YaRN's own magnitude; as llama.cpp does, this divides it out and applies the model's. */
function yarnAttentionFactor(factor: number, logMultiplier: number): number {
  const wanted = logMultiplier === 0
    ? yarnMagnitude(factor, 1)
    : yarnMagnitude(factor, 1) / yarnMagnitude(factor, logMultiplier);
  return wanted / (1 + 0.1 * Math.log(factor));
}

type Numbers = (key: string, fallback?: number) => number;

function readRope(number: Numbers, options: { scaling: string; headWidth: number; context: number }): Rope {
  const { scaling, headWidth, context } = options;
  if (!["none", "linear", "yarn"].includes(scaling)) {
    throw unsupported(`its position scaling is ${scaling}`);
  }
  const factor = scaling === "none" ? 1 : number("rope.scaling.factor", number("rope.scale_linear", 1)) || 1;
  const isYarn = scaling === "yarn";
  const rope: Rope = {
    dimensions: number("rope.dimension_count", headWidth),
    mode: ROPE_TYPE_NORMAL,
    originalContext: number("rope.scaling.original_context_length", context),
    base: number("rope.freq_base", 10_000),
    scale: 1 / factor,
    extension: isYarn ? number("rope.scaling.yarn_ext_factor", 1) : 0,
    magnitude: isYarn ? yarnAttentionFactor(factor, number("rope.scaling.yarn_log_multiplier", 0)) : 1,
    betaFast: number("rope.scaling.yarn_beta_fast", 32),
    betaSlow: number("rope.scaling.yarn_beta_slow", 1),
  };
  return { ...rope, magnitude: rope.magnitude * number("rope.scaling.attn_factor", 1) };
}

function unsupported(reason: string): TrainingError {
  return new TrainingError("model_unsupported", `This model cannot be trained: ${reason}`);
}

function checkFeatures(file: GgufFile, architecture: string): void {
  for (const key of UNSUPPORTED_KEYS) {
    if ((file.number(`${architecture}.${key}`) ?? 0) !== 0) throw unsupported(`it has ${key}`);
  }
  for (const name of file.tensors.keys()) {
    if (UNSUPPORTED_TENSORS.test(name)) throw unsupported(`it has ${name}`);
  }
}

/**
 * Reads a model's shape.
 *
 * @throws TrainingError `model_unsupported` for another architecture or features that the graph lacks
 */
export function readHyperparameters(file: GgufFile): Hyperparameters {
  const architecture = file.text("general.architecture") ?? "unknown";
  if (!ARCHITECTURES.includes(architecture)) {
    throw unsupported(`its architecture is ${architecture}, training knows ${ARCHITECTURES.join(" and ")}`);
  }
  checkFeatures(file, architecture);
  const number: Numbers = (key, fallback) => {
    const value = file.number(`${architecture}.${key}`) ?? fallback;
    if (value === undefined) throw unsupported(`its file does not say ${architecture}.${key}`);
    return value;
  };
  const [width, heads, contextLength] = [
    number("embedding_length"),
    number("attention.head_count"),
    number("context_length"),
  ];
  const headWidth = number("attention.key_length", width / heads);
  const scaling = file.text(`${architecture}.rope.scaling.type`) ?? "linear";
  const embedding = file.tensors.get("token_embd.weight");
  if (embedding === undefined) throw unsupported("its file has no token embedding");
  const rope = readRope(number, { scaling, headWidth, context: contextLength });
  return {
    architecture,
    layers: number("block_count"),
    width,
    heads,
    keyValueHeads: number("attention.head_count_kv", heads),
    headWidth,
    feedForward: number("feed_forward_length"),
    vocabularySize: embedding.shape[1],
    // Beyond its original context mistral3 also scales attention by position, which the graph does not.
    contextLength: architecture === "mistral3"
      ? Math.min(contextLength, rope.originalContext)
      : contextLength,
    normEpsilon: number("attention.layer_norm_rms_epsilon"),
    rope,
  };
}
