/** Trains tiny adapters for tests: a few real steps on a small model, enough to change its answers. */
import { join } from "node:path";
import type { AdapterInfo } from "../../../contract/ml.ts";
import { silentLogger } from "../../../lib/log.ts";
import { openSampleTokenizer } from "../../../ml/engine/llama/sample_tokenizer.ts";
import { seededRandom } from "../../../ml/engine/sampling.ts";
import { sha256OfFile } from "../../../ml/models/model_file.ts";
import { measureProbe, probeTokens } from "../../../ml/training/job/trained_probe.ts";
import { createTrainer } from "../../../ml/training/lora_trainer.ts";
import type { TokenSample, Trainer } from "../../../ml/training/trainer.ts";
import type { MlService } from "./ml_service.ts";

export interface TinyAdapterOptions {
  modelPath: string;
  /** Where its file goes. */
  path: string;
  /** Other seeds, other adapters. Default 1. */
  seed?: number;
  /** None leaves B at zero. Default 8. */
  steps?: number;
}

function samplesOf(seed: number): TokenSample[] {
  const random = seededRandom(seed);
  const tokens = (length: number) => Array.from({ length }, () => Math.floor(random() * 300));
  return [12, 5, 18, 9].map((length) => ({ prompt: tokens(length), reply: tokens(4) }));
}

/** Trains an adapter and writes its file; `use` may ask the trainer before it is closed. */
export async function trainTinyAdapter<Result>(
  options: TinyAdapterOptions,
  use: (trainer: Trainer) => Promise<Result> | Result,
): Promise<Result> {
  const { modelPath, path, seed = 1, steps = 8 } = options;
  const settings = {
    modelPath,
    lora: { rank: 4 },
    seed,
    threads: 1,
    weights: "f32",
    microBatchTokens: 96,
  } as const;
  using trainer = await createTrainer(settings);
  for (let step = 0; step < steps; step++) await trainer.step(samplesOf(seed), { learningRate: 5e-3 });
  await trainer.exportAdapter(path, {});
  return await use(trainer);
}

/** Trains an adapter on a service's model and publishes it there. */
export async function publishTinyAdapter(
  { adapters, models, dir }: Pick<MlService, "adapters" | "models" | "dir">,
  { seed = 1 } = {},
): Promise<AdapterInfo> {
  const { id, path: modelPath, sha256 } = await models.servedFile();
  const sourcePath = join(dir, `trained-${seed}.gguf`);
  const probe = await trainTinyAdapter({ modelPath, path: sourcePath, seed }, async (trainer) => {
    await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
    return await measureProbe(trainer, probeTokens(tokenizer));
  });
  const draft = {
    jobId: `job-${seed}`,
    baseModel: id,
    baseSha256: sha256,
    sha256: await sha256OfFile(sourcePath),
    baseLoss: null,
    adapterLoss: null,
    offered: true,
    offerReason: null,
    probe,
  };
  return await adapters.publish(draft, { sourcePath });
}
