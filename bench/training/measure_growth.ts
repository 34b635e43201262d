/** Measures how a step's cost grows with sample length, adapter rank and model size. */
import { writeLine } from "../../lib/log.ts";
import { formatBytes } from "../../lib/progress.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { createTrainer } from "../../ml/training/lora_trainer.ts";
import { estimateTrainingMemory } from "../../ml/training/memory_estimate.ts";
import type { LoraOptions, TokenSample } from "../../ml/training/trainer.ts";
import { buildLlamaGguf, type LlamaShape } from "../../tests/support/ml/llama_gguf.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { THREADS } from "../../research/style/cached_run.ts";
import { tableLines } from "../support/bench_output.ts";

const LENGTHS = [64, 128, 256, 512, 1_024];
const RANKS = [4, 8, 16, 64];
const USUAL_LENGTH = 128;
/** Tokens in a step, whatever its samples' length. */
const STEP_TOKENS = 1_024;
const REPLY_TOKENS = 24;
const ROUNDS = 3;
/** Token ids below this are known to every model of the table. */
const TOKENS = 340;

/** A smaller and a larger model, beside the small real one (30 layers, 576 wide). */
const SHAPES: readonly LlamaShape[] = [
  { layers: 8, width: 512, heads: 8, keyValueHeads: 4, feedForward: 1_408 },
  { layers: 12, width: 1_024, heads: 16, keyValueHeads: 4, feedForward: 2_816 },
];

function samplesOf(length: number): TokenSample[] {
  const random = seededRandom(length);
  const tokens = (count: number) => Array.from({ length: count }, () => Math.floor(random() * TOKENS));
  const sample = () => ({ prompt: tokens(length - REPLY_TOKENS), reply: tokens(REPLY_TOKENS) });
  return Array.from({ length: STEP_TOKENS / length }, sample);
}

/** The row of one setting: its fastest step. */
async function rowOf(
  name: string,
  modelPath: string,
  options: { length?: number; lora?: LoraOptions },
): Promise<string[]> {
  const { length = USUAL_LENGTH, lora = { rank: 8 } } = options;
  const settings = { modelPath, lora, seed: 1, threads: THREADS };
  using trainer = await createTrainer(settings);
  const samples = samplesOf(length);
  let seconds = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    await trainer.step(samples, { learningRate: 1e-4 });
    seconds = Math.min(seconds, (performance.now() - startedMs) / 1_000);
  }
  const { totalBytes } = estimateTrainingMemory(settings, { longestSample: length });
  return [name, (STEP_TOKENS / seconds).toFixed(0), seconds.toFixed(2), formatBytes(totalBytes)];
}

/** Prints one table: a row for each length, rank and model. */
export async function measureGrowth(): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const { path } = await fetchSmallModel();
    const rows: string[][] = [];
    for (const length of LENGTHS) rows.push(await rowOf(`samples of ${length} tokens`, path, { length }));
    for (const rank of RANKS) rows.push(await rowOf(`rank ${rank}`, path, { lora: { rank } }));
    for (const shape of SHAPES) {
      const model = await buildLlamaGguf({ dir, shape, type: "q8_0", tied: true });
      rows.push(await rowOf(`${shape.layers} layers, ${shape.width} wide`, model, {}));
      await Deno.remove(model);
    }
    writeLine(
      `steps of ${STEP_TOKENS} tokens, ${THREADS} threads; unless the row says otherwise: the small model, rank 8, ` +
        `samples of ${USUAL_LENGTH} tokens`,
    );
    for (const line of tableLines(["", "tokens/s", "s a step", "memory (estimated)"], rows)) writeLine(line);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
