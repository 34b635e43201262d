/** Trains PEFT on a person's replies: the same tokens in the same order, with the same settings. */
import { join } from "node:path";
import { openSampleTokenizer } from "../../ml/engine/llama/sample_tokenizer.ts";
import { epochBatches } from "../../ml/training/run/schedule.ts";
import { prepareSamples } from "../../ml/training/samples/prepare_samples.ts";
import { parseTrainingRequest, type TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import { PEFT_PYTHON } from "../peers/peer_paths.ts";
import { peftSide } from "../../bench/training/sides.ts";
import { silentLogger } from "../../lib/log.ts";

export interface PeftOptions {
  /** A folder for the job's file. */
  folder: string;
  dtype: "float32" | "bfloat16";
  threads: number;
}

/** Whether PEFT has been installed for benches. */
export async function isPeftInstalled(): Promise<boolean> {
  return await Deno.stat(PEFT_PYTHON).then(() => true, () => false);
}

/** The job that a training request is, as PEFT's script reads it: token ids, and each epoch's order. */
export async function peftJobOf(request: TrainingRequestInput): Promise<Record<string, unknown>> {
  const { samples, modelPath, method, maxSampleTokens, heldOutShare, maxHeldOut, ...settings } =
    parseTrainingRequest(request);
  await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
  const { train, heldOut } = await prepareSamples(samples, {
    tokenizer,
    method,
    maxSampleTokens,
    heldOutShare,
    maxHeldOut,
    yieldToEventLoop: () => Promise.resolve(),
  });
  const { seed, batchSize, epochs, learningRate, lora } = settings;
  const places = train.map((_, index) => index);
  return {
    train: train.map(({ prompt, reply, weight }) => ({ prompt, reply, weight })),
    heldOut: heldOut.map(({ plain }) => plain),
    orders: Array.from(
      { length: epochs },
      (_, index) => epochBatches(places, { seed, batchSize, epoch: index + 1 }).flat(),
    ),
    settings: { seed, batchSize, epochs, learningRate, rank: lora.rank, alpha: lora.alpha ?? 2 * lora.rank },
  };
}

/**
 * Trains with PEFT.
 *
 * @returns held-out loss per token before training and after each epoch
 * @throws UserError when it does not complete
 */
export async function trainWithPeft(request: TrainingRequestInput, options: PeftOptions): Promise<number[]> {
  const { folder, dtype, threads } = options;
  const path = join(folder, "peft_job.json");
  await Deno.writeTextFile(path, JSON.stringify(await peftJobOf(request)));
  const job = { modelPath: request.modelPath, path };
  const { evaluations } = await peftSide("PEFT", { job, settings: { dtype, threads } });
  return evaluations.map(({ heldOutLoss }) => heldOutLoss);
}
