/** Lays out an adapter's matrices in one flat array, shared by parameters, gradients and moments. */
import { LORA_TARGETS, type LoraOptions, type LoraTarget } from "../trainer.ts";
import type { Hyperparameters } from "./hyperparameters.ts";
import { TrainingError } from "../training_error.ts";

/** Targets that read the same input: their A matrices are adjacent, so that one product computes them all. */
export const TARGET_GROUPS = {
  qkv: ["attn_q", "attn_k", "attn_v"],
  attentionOutput: ["attn_output"],
  gateUp: ["ffn_gate", "ffn_up"],
  down: ["ffn_down"],
} as const satisfies Record<string, readonly LoraTarget[]>;
export type TargetGroup = keyof typeof TARGET_GROUPS;

/** One adapted matrix: `y += scale · B·A·x`. Offsets count numbers in the flat array. */
export interface LoraModule {
  target: LoraTarget;
  layer: number;
  inputWidth: number;
  outputWidth: number;
  /** A as [inputWidth, rank]. */
  offsetA: number;
  /** B transposed, as [outputWidth, rank]: products along the output are several times faster that way. */
  offsetB: number;
  /** Its first row in the group's joined output: key follows query. */
  outputRow: number;
}

/** Modules of a layer that share one input. Their A matrices are contiguous, starting with the first module's. */
export interface LoraGroup {
  modules: readonly LoraModule[];
  inputWidth: number;
}

export type LoraLayer = Readonly<Record<TargetGroup, LoraGroup | null>>;

export interface LoraLayout {
  rank: number;
  alpha: number;
  dropout: number;
  targets: readonly LoraTarget[];
  /** The lowest layer that has modules. */
  firstLayer: number;
  /** By layer; null below `firstLayer`. */
  layers: readonly (LoraLayer | null)[];
  modules: readonly LoraModule[];
  /** Length of the flat array. */
  length: number;
}

function checkOptions(lora: LoraOptions, model: Hyperparameters): void {
  const { rank, alpha = 1, dropout = 0, layers = model.layers, targets = LORA_TARGETS } = lora;
  const fault = !Number.isInteger(rank) || rank < 1 || rank > model.width
    ? `rank must be a whole number from 1 to ${model.width}: it is ${rank}`
    : !(alpha > 0 && Number.isFinite(alpha))
    ? `alpha must be a number above 0: it is ${alpha}`
    : !(dropout >= 0 && dropout < 1)
    ? `dropout must be from 0 to below 1: it is ${dropout}`
    : !Number.isInteger(layers) || layers < 1 || layers > model.layers
    ? `layers must be a whole number from 1 to ${model.layers}: it is ${layers}`
    : targets.length === 0
    ? "targets must name at least one matrix"
    : undefined;
  if (fault !== undefined) throw new TrainingError("bad_settings", `The adapter's ${fault}`);
}

/** Widths of input and output, and the output's first row in its group. */
function shapeOf(target: LoraTarget, model: Hyperparameters): [number, number, number] {
  const { width, feedForward, heads, keyValueHeads, headWidth } = model;
  const [query, key] = [heads * headWidth, keyValueHeads * headWidth];
  switch (target) {
    case "attn_q":
      return [width, query, 0];
    case "attn_k":
      return [width, key, query];
    case "attn_v":
      return [width, key, query + key];
    case "attn_output":
      return [query, width, 0];
    case "ffn_gate":
    case "ffn_up":
      return [width, feedForward, 0];
    case "ffn_down":
      return [feedForward, width, 0];
  }
}

/**
 * Lays out an adapter.
 *
 * @throws TrainingError `bad_settings`
 */
export function layOutLora(lora: LoraOptions, model: Hyperparameters): LoraLayout {
  checkOptions(lora, model);
  const { rank, alpha = 2 * rank, dropout = 0, layers: trained = model.layers } = lora;
  const targets = LORA_TARGETS.filter((target) =>
    (lora.targets ?? LORA_TARGETS.slice(0, 4)).includes(target)
  );
  const modules: LoraModule[] = [];
  let length = 0;
  const take = (count: number) => (length += count) - count;
  const layOutGroup = (layer: number, group: TargetGroup): LoraGroup | null => {
    const members = TARGET_GROUPS[group].filter((target) => targets.includes(target));
    const first = members[0];
    if (first === undefined) return null;
    const [inputWidth] = shapeOf(first, model);
    const offsetsA = members.map(() => take(inputWidth * rank));
    const placed = members.map((target, index): LoraModule => {
      const [, outputWidth, outputRow] = shapeOf(target, model);
      const offsetB = take(outputWidth * rank);
      return { target, layer, inputWidth, outputWidth, offsetA: offsetsA[index] ?? 0, offsetB, outputRow };
    });
    modules.push(...placed);
    return { modules: placed, inputWidth };
  };
  const firstLayer = model.layers - trained;
  const layers = Array.from(
    { length: model.layers },
    (_, layer): LoraLayer | null =>
      layer < firstLayer ? null : {
        qkv: layOutGroup(layer, "qkv"),
        attentionOutput: layOutGroup(layer, "attentionOutput"),
        gateUp: layOutGroup(layer, "gateUp"),
        down: layOutGroup(layer, "down"),
      },
  );
  return { rank, alpha, dropout, targets, firstLayer, layers, modules, length };
}
