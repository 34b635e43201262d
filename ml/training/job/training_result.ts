/** Finishes a job: exports the adapter with its provenance and writes the result. */
import { join } from "node:path";
import type { Provenance, Trainer } from "../trainer.ts";
import { ifPresent, writeFileAtomically } from "../../../lib/files.ts";
import { MAX_HELD_OUT_IDS } from "../../../contract/training_figures.ts";
import { sha256OfFile } from "../../models/model_file.ts";
import type { CheckpointFacts } from "../run/checkpoints.ts";
import { judge, type MeasuredReply } from "./gate.ts";
import type { JobRun, TrainingJob } from "./training_job.ts";
import { measureProbe } from "./trained_probe.ts";
import { type RunResult, runResultSchema } from "./training_event.ts";

export const RESULT_FILE = "result.json";
export const ADAPTER_FILE = "adapter.gguf";

/** The result of a completed job; undefined for any other, and where its file is damaged. */
export async function readResultFile(folder: string): Promise<RunResult | undefined> {
  try {
    const text = await Deno.readTextFile(join(folder, RESULT_FILE));
    return runResultSchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The result of a completed job whose adapter file is still in its folder, unchanged. */
export async function readResult(folder: string): Promise<RunResult | undefined> {
  const result = await readResultFile(folder);
  const adapterHash = await ifPresent(sha256OfFile(join(folder, ADAPTER_FILE)));
  return result?.adapterHash === adapterHash ? result : undefined;
}

function provenanceOf(job: TrainingJob, result: Omit<RunResult, "adapterHash" | "probe">): Provenance {
  const { request: { learningRate, epochs, batchSize, seed, lora, provenance, textingAdapter }, samples } =
    job;
  const { modelId, modelHash, jobId, method, steps, bestEpoch, train, heldOut } = result;
  return {
    ...provenance,
    job_id: jobId,
    base_model: modelId,
    base_model_sha256: modelHash,
    samples_sha256: samples.samplesHash,
    samples: train,
    method,
    epochs,
    best_epoch: bestEpoch,
    steps,
    batch_size: batchSize,
    learning_rate: learningRate,
    seed,
    lora_rank: lora.rank,
    started_from: textingAdapter?.start ? "texting" : "base",
    held_out_samples: heldOut.samples,
    held_out_tokens: heldOut.tokens,
    base_loss: heldOut.baseLoss,
    examples_loss: heldOut.examplesLoss,
    adapter_loss: heldOut.adapterLoss,
  };
}

function measuredReplies(
  { samples: { heldOut } }: TrainingJob,
  state: CheckpointFacts,
): MeasuredReply[] {
  const { baseLogLikelihoods: base, examplesLogLikelihoods: examples, textingLogLikelihoods, best } = state;
  return heldOut.map(({ plain, conversation }, index) => ({
    conversation,
    tokens: plain.reply.length,
    base: base[index] ?? NaN,
    examples: examples[index] ?? NaN,
    texting: textingLogLikelihoods?.[index],
    adapter: best?.logLikelihoods[index] ?? NaN,
  }));
}

/** Exports the trainer's adapter, which is the best epoch's, and writes the job's result. */
export async function finishTraining(
  trainer: Trainer,
  { job, metrics }: Pick<JobRun, "job" | "metrics">,
  options: { state: CheckpointFacts; stoppedEarly: boolean },
): Promise<RunResult> {
  const { folder, request: { jobId, modelId, method }, modelHash, samples } = job;
  const { state, stoppedEarly } = options;
  const { baseLoss, examplesLoss, best } = state;
  if (best === null) throw new Error("A training without an epoch has no adapter to export");
  const adapterPath = join(folder, ADAPTER_FILE);
  const { offered, reason: offerReason } = judge(measuredReplies(job, state));
  const facts = {
    jobId,
    modelId,
    adapterPath,
    modelHash,
    method,
    steps: state.steps,
    epochsRun: state.epochs.length,
    bestEpoch: best.epoch,
    stoppedEarly,
    train: samples.train.length,
    excluded: samples.excluded,
    heldOut: {
      samples: samples.heldOut.length,
      ids: samples.heldOut.flatMap(({ id }) => id ?? []).slice(0, MAX_HELD_OUT_IDS),
      tokens: samples.heldOut.reduce((sum, { plain }) => sum + plain.reply.length, 0),
      baseLoss,
      examplesLoss,
      adapterLoss: best.heldOutLoss,
    },
    offered,
    offerReason,
    curve: { epochs: metrics.curves().epochs },
  };
  await trainer.exportAdapter(adapterPath, provenanceOf(job, facts));
  const probe = await measureProbe(trainer, job.probe);
  const result = { ...facts, probe, adapterHash: await sha256OfFile(adapterPath) };
  await writeFileAtomically(join(folder, RESULT_FILE), JSON.stringify(result));
  return result;
}
