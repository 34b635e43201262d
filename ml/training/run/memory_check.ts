/** Owns the refusal of a job that does not fit in memory, before it takes any: and with it the choice of format. */
import { autoFormats, estimateTrainingMemory } from "../memory_estimate.ts";
import type { FixedFormat } from "../model/weight_plan.ts";
import { type TrainerOptions, TrainingError, type TrainingMemory } from "../trainer.ts";

/** Share of the free memory that training may take: the rest is for serving and for the system. */
const USABLE_SHARE = 0.8;
const GIBIBYTE = 1024 ** 3;

export interface MemoryChoice {
  weights: FixedFormat;
  memory: TrainingMemory;
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(bytes < 10 * GIBIBYTE ? 2 : 0)} GiB`;
}

/**
 * Chooses how the frozen weights are kept: as asked, or with `auto` the best that fits.
 *
 * @param options `limitBytes`: what training may take; absent: a share of what is free
 * @throws TrainingError `out_of_memory` with a sentence when nothing fits; otherwise as `createTrainer` does
 */
export function chooseWeights(
  trainer: TrainerOptions,
  options: { longestSample: number; limitBytes?: number },
): MemoryChoice {
  const { longestSample, limitBytes = Deno.systemMemoryInfo().available * USABLE_SHARE } = options;
  const asked = trainer.weights ?? "auto";
  const candidates = asked === "auto" ? autoFormats() : [asked];
  let least: MemoryChoice | undefined;
  for (const weights of candidates) {
    const memory = estimateTrainingMemory({ ...trainer, weights }, { longestSample });
    if (memory.totalBytes <= limitBytes) return { weights, memory };
    if (least === undefined || memory.totalBytes < least.memory.totalBytes) least = { weights, memory };
  }
  throw new TrainingError(
    "out_of_memory",
    `Training needs ${gibibytes(least?.memory.totalBytes ?? 0)} of memory and may take ${
      gibibytes(limitBytes)
    }: ` +
      "take a smaller model, fewer layers, a lower rank or shorter samples, or free memory",
  );
}
