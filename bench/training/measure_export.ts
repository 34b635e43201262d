/** Measures whether PEFT, given an exported adapter, finds replies as probable as the trainer that made it. */
import { join } from "node:path";
import { unzipSync } from "fflate";
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { peftArchiveOf } from "../../ml/models/peft_export.ts";
import { createTrainer } from "../../ml/training/lora_trainer.ts";
import { LORA_TARGETS, type LoraOptions, type TokenSample } from "../../ml/training/trainer.ts";
import { PEFT_MODELS, PEFT_PYTHON } from "../../research/peers/peer_paths.ts";
import { ALL_THREADS } from "../../research/style/cached_run.ts";
import { isPeftInstalled } from "../../research/style/peft_side.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { projectPath } from "../../tools/service_process.ts";
import { tableLines } from "../support/bench_output.ts";

const ADAPTERS: Record<string, LoraOptions> = {
  "attention, all layers": { rank: 8 },
  "all matrices, the upper 10 layers": { rank: 4, alpha: 10, targets: LORA_TARGETS, layers: 10 },
};
const STEPS = 10;
/** Of a log-probability: the two compute in 32-bit floats, in another order. */
const WANTED_DIFFERENCE = 0.01;

const ANSWER = z.object({ base: z.array(z.number()), adapted: z.array(z.number()) });

/** Any tokens will do, as long as the adapter changes what the model makes of them. */
function samplesOf(seed: number): TokenSample[] {
  const random = seededRandom(seed);
  const tokens = (length: number) => Array.from({ length }, () => 100 + Math.floor(random() * 20_000));
  return [24, 9, 40, 15].map((length) => ({ prompt: tokens(length), reply: tokens(8) }));
}

/** Trains an adapter, puts its export into a folder, and returns what the trainer makes of the samples. */
async function trainAndExport(
  dir: string,
  options: { modelPath: string; lora: LoraOptions; samples: readonly TokenSample[] },
): Promise<{ base: number[]; adapted: number[] }> {
  const { modelPath, lora, samples } = options;
  using trainer = await createTrainer({
    modelPath,
    lora,
    seed: 1,
    threads: ALL_THREADS,
    weights: "f32",
    microBatchTokens: 256,
  });
  for (let step = 0; step < STEPS; step++) await trainer.step(samples, { learningRate: 5e-4 });
  const path = join(dir, "adapter.gguf");
  await trainer.exportAdapter(path, {});
  const files = unzipSync(peftArchiveOf(path, { path: modelPath, id: "small" }));
  for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(join(dir, name), bytes);
  const logsOf = (likelihoods: readonly { logLikelihood: number }[]) =>
    likelihoods.map(({ logLikelihood }) => logLikelihood);
  return {
    base: logsOf(await trainer.evaluate(samples, { adapterScale: 0 })),
    adapted: logsOf(await trainer.evaluate(samples)),
  };
}

async function ratedByPeft(
  dir: string,
  options: { modelPath: string; samples: readonly TokenSample[] },
): Promise<z.infer<typeof ANSWER>> {
  const samplesPath = join(dir, "samples.json");
  await Deno.writeTextFile(samplesPath, JSON.stringify(options.samples));
  const paths = { model: options.modelPath, cache: PEFT_MODELS, adapter: dir, samples: samplesPath };
  const { success, stdout } = await new Deno.Command(PEFT_PYTHON, {
    args: [
      projectPath("research/peers/peft_export.py"),
      ...Object.entries(paths).flatMap(([name, path]) => [`--${name}`, path]),
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new UserError("PEFT did not take the adapter: see above");
  return ANSWER.parse(JSON.parse(new TextDecoder().decode(stdout)));
}

function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  return Math.max(...ours.map((value, index) => Math.abs(value - (theirs[index] ?? NaN))));
}

/** Prints one table, a row for each adapter. Without PEFT a line says how to install it. */
export async function measureExport(): Promise<void> {
  if (!await isPeftInstalled()) return writeLine("PEFT is not installed: research/peers/setup.ts does that");
  const { path: modelPath } = await fetchSmallModel();
  const samples = samplesOf(1);
  const rows: string[][] = [];
  let largest = 0;
  for (const [name, lora] of Object.entries(ADAPTERS)) {
    const dir = await Deno.makeTempDir();
    try {
      const ours = await trainAndExport(dir, { modelPath, lora, samples });
      const theirs = await ratedByPeft(dir, { modelPath, samples });
      const adapted = largestDifference(ours.adapted, theirs.adapted);
      largest = Math.max(largest, adapted);
      rows.push([
        name,
        largestDifference(ours.base, theirs.base).toExponential(1),
        adapted.toExponential(1),
        largestDifference(ours.adapted, ours.base).toFixed(1),
      ]);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  }
  writeLine(
    `log-probability of a reply of 8 tokens, largest differences; wanted from PEFT's: below ${WANTED_DIFFERENCE}`,
  );
  const head = ["adapter", "base, ours to PEFT's", "adapted, ours to PEFT's", "made by the adapter"];
  for (const line of tableLines(head, rows)) writeLine(line);
  if (!(largest < WANTED_DIFFERENCE)) throw new UserError(`PEFT differs by ${largest}`);
}
