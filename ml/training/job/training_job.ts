/** Opens a job: its request, hashes, tokenized samples and trainer options. */
import { createHash } from "node:crypto";
import { messageOf } from "../../../lib/errors.ts";
import { silentLogger } from "../../../lib/log.ts";
import { probeTokens } from "./trained_probe.ts";
import { openSampleTokenizer } from "../../engine/llama/sample_tokenizer.ts";
import { type PreparedSamples, prepareSamples } from "../samples/prepare_samples.ts";
import { GgufFile } from "../ggml/gguf_file.ts";
import { openGgml } from "../ggml/library.ts";
import { readHyperparameters } from "../model/hyperparameters.ts";
import type { TokenSample, TrainerOptions } from "../trainer.ts";
import { sha256OfFile } from "../../models/model_file.ts";
import { eventLoopYielder } from "../samples/sample_selection.ts";
import { readTrainingRequest, type TrainingRequest } from "./training_request.ts";
import type { Checkpoints } from "../run/checkpoints.ts";
import type { MetricsFile } from "./metrics_file.ts";
import type { TrainingEvent } from "./training_event.ts";
import { TrainingError } from "../training_error.ts";

export interface TrainingJob {
  folder: string;
  /** Without the samples' texts, which are no longer needed and may be large. */
  request: Omit<TrainingRequest, "samples">;
  /** SHA-256 of the request, in hex: checkpoints of another request are not resumed. */
  requestHash: string;
  /** SHA-256 of the base model's file, in hex. */
  modelHash: string;
  samples: PreparedSamples;
  /** The probe by which the adapter is proven where it is served. */
  probe: readonly TokenSample[];
}

/** The model's context length in tokens; refuses a model that cannot be trained before any work is done. */
function contextLengthOf(modelPath: string): number {
  using file = new GgufFile(openGgml(), modelPath);
  return readHyperparameters(file).contextLength;
}

async function samplesOf(
  texts: TrainingRequest["samples"],
  request: TrainingJob["request"],
  { signal }: { signal: AbortSignal },
): Promise<Pick<TrainingJob, "samples" | "probe">> {
  const { modelPath, method, heldOutShare, maxHeldOut } = request;
  const maxSampleTokens = Math.min(request.maxSampleTokens, contextLengthOf(modelPath));
  // The library logs files and tensors, which are of no interest here.
  const log = silentLogger();
  await using tokenizer = await openSampleTokenizer(modelPath, { log }).catch((cause) => {
    throw new TrainingError("model_unreadable", messageOf(cause), { cause });
  });
  const samples = await prepareSamples(texts, {
    tokenizer,
    method,
    maxSampleTokens,
    heldOutShare,
    maxHeldOut,
    yieldToEventLoop: eventLoopYielder(signal),
  });
  return { samples, probe: probeTokens(tokenizer) };
}

/**
 * Hashes the base model.
 *
 * @throws TrainingError `bad_request` when there is no such file
 */
async function hashModel(modelPath: string, signal: AbortSignal): Promise<string> {
  return await sha256OfFile(modelPath, { signal }).catch((cause) => {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new TrainingError("bad_request", `There is no base model at ${modelPath}`, { cause });
  });
}

/**
 * Reads the job of a folder and prepares its samples.
 *
 * @throws TrainingError `bad_request`, `too_few_samples`, `model_changed` and the codes of a model that cannot be trained;
 * the signal's reason
 */
export async function openTrainingJob(folder: string, signal: AbortSignal): Promise<TrainingJob> {
  const { samples: texts, ...request } = await readTrainingRequest(folder);
  if (request.method === "dpo" && request.lora.dropout > 0) {
    throw new TrainingError(
      "bad_request",
      "Pairs are learned without dropout",
      { fix: "Set lora.dropout to 0 for dpo" },
    );
  }
  const requestHash = createHash("sha256").update(JSON.stringify({ ...request, samples: texts })).digest(
    "hex",
  );
  const modelHash = await hashModel(request.modelPath, signal);
  if (request.modelHash !== undefined && request.modelHash !== modelHash) {
    throw modelChanged("since it was loaded", "Load the model again, then start the training again");
  }
  return {
    folder,
    request,
    requestHash,
    modelHash,
    ...await samplesOf(texts, request, { signal }),
  };
}

/** The failure of a job whose base model's file is not the one it was started on. @param since when that was noticed */
export function modelChanged(
  since: string,
  fix = "Start the training again on the new one",
): TrainingError {
  return new TrainingError("model_changed", `The base model's file was replaced ${since}`, { fix });
}

/** Fails a job whose base model's file has changed since it started. */
export async function checkModelUnchanged(
  { request: { modelPath }, modelHash }: Pick<TrainingJob, "request" | "modelHash">,
  signal: AbortSignal,
): Promise<void> {
  if (await hashModel(modelPath, signal) === modelHash) return;
  throw modelChanged("during training");
}

/** The settings of a job's trainer. */
export function trainerOptionsOf(request: TrainingJob["request"]): TrainerOptions {
  const { modelPath, lora, weightDecay, maxGradientNorm, seed, threads, weights, microBatchTokens } = request;
  return {
    modelPath,
    lora,
    optimizer: { weightDecay, maxGradientNorm },
    seed,
    threads,
    weights,
    microBatchTokens,
  };
}

export interface RunOptions {
  emit: (event: TrainingEvent) => void;
  /** Ends the job within a step; `runTraining` then throws its reason. */
  signal: AbortSignal;
}

/** A running job. */
export interface JobRun extends RunOptions {
  job: TrainingJob;
  checkpoints: Checkpoints;
  metrics: MetricsFile;
}
