/** Reads a model's shape from its GGUF metadata and refuses models that cannot be trained. */
import type { GgufFile } from "../ggml/gguf_file.ts";
import type { Rope } from "../ggml/tensor_context.ts";
import { TrainingError } from "../training_error.ts";
import { type Architecture, ARCHITECTURES } from "./architectures.ts";

/** Layers that see only the tokens of a window. */
export interface WindowedLayers {
  /** A position sees itself and the `window - 1` before it. */
  window: number;
  rope: Rope;
  /** Every so many layers one sees everything: the last of each such group. */
  fullEvery: number;
}

export interface Hyperparameters {
  architecture: string;
  features: Architecture;
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
  /** What scores are multiplied by before their soft-max. */
  attentionScale: number;
  rope: Rope;
  /** Null where every layer sees everything. */
  windowed: WindowedLayers | null;
}

/** Whether a layer sees only the tokens of the window. */
export function isWindowed({ windowed }: Hyperparameters, layer: number): boolean {
  return windowed !== null && (layer + 1) % windowed.fullEvery !== 0;
}

/** Features of other models of these architectures that the graph lacks. */
const UNSUPPORTED_KEYS = ["expert_count", "attention.scale", "final_logit_softcapping"];

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

interface RopeOptions {
  scaling: string;
  mode: number;
  headWidth: number;
  context: number;
}

function readRope(number: Numbers, { scaling, mode, headWidth, context }: RopeOptions): Rope {
  if (!["none", "linear", "yarn"].includes(scaling)) {
    throw unsupported(`its position scaling is ${scaling}`);
  }
  const factor = scaling === "none" ? 1 : number("rope.scaling.factor", number("rope.scale_linear", 1)) || 1;
  const isYarn = scaling === "yarn";
  const rope: Rope = {
    dimensions: number("rope.dimension_count", headWidth),
    mode,
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

function architectureOf(file: GgufFile): { name: string; features: Architecture } {
  const name = file.text("general.architecture") ?? "unknown";
  const features = ARCHITECTURES.get(name);
  if (features === undefined) {
    const known = [...ARCHITECTURES.keys()];
    throw unsupported(
      `its architecture is ${name}, training knows ${known.slice(0, -1).join(", ")} and ${known.at(-1)}`,
    );
  }
  return { name, features };
}

function numbersOf(file: GgufFile, architecture: string): Numbers {
  return (key, fallback) => {
    const name = `${architecture}.${key}`;
    const value = file.number(name);
    // A list, one number for each layer: the graph has the same shape in all of them.
    if (value === undefined && file.has(name)) throw unsupported(`its ${name} is not one number`);
    const found = value ?? fallback;
    if (found === undefined) throw unsupported(`its file does not say ${name}`);
    return found;
  };
}

function readWindowed(number: Numbers, features: Architecture, rope: Rope): WindowedLayers | null {
  const window = number("attention.sliding_window", 0);
  if (window === 0) return null;
  const { fullAttentionEvery } = features;
  if (fullAttentionEvery === null) throw unsupported("it has attention.sliding_window");
  return {
    window,
    fullEvery: number("attention.sliding_window_pattern", fullAttentionEvery),
    rope: { ...rope, base: number("rope.freq_base_swa", 10_000), scale: 1 },
  };
}

/**
 * Reads a model's shape.
 *
 * @throws TrainingError `model_unsupported` for another architecture or features that the graph lacks
 */
export function readHyperparameters(file: GgufFile): Hyperparameters {
  const { name: architecture, features } = architectureOf(file);
  const number = numbersOf(file, architecture);
  for (const key of UNSUPPORTED_KEYS) if (number(key, 0) !== 0) throw unsupported(`it has ${key}`);
  const [layers, width, heads, contextLength] = [
    number("block_count"),
    number("embedding_length"),
    number("attention.head_count"),
    number("context_length"),
  ];
  const headWidth = number("attention.key_length", width / heads);
  if (number("attention.value_length", headWidth) !== headWidth) {
    throw unsupported("its keys and values differ in width");
  }
  const scaling = file.text(`${architecture}.rope.scaling.type`) ?? "linear";
  const embedding = file.tensors.get("token_embd.weight");
  if (embedding === undefined) throw unsupported("its file has no token embedding");
  const rope = readRope(number, { scaling, mode: features.ropeMode, headWidth, context: contextLength });
  return {
    architecture,
    features,
    layers,
    width,
    heads,
    keyValueHeads: number("attention.head_count_kv", heads),
    headWidth,
    feedForward: number("feed_forward_length"),
    vocabularySize: embedding.shape[1],
    contextLength: features.staysInOriginalContext
      ? Math.min(contextLength, rope.originalContext)
      : contextLength,
    normEpsilon: number("attention.layer_norm_rms_epsilon"),
    attentionScale: 1 / Math.sqrt(layers === features.evenHeadScaleLayers ? width / heads : headWidth),
    rope,
    windowed: readWindowed(number, features, rope),
  };
}
