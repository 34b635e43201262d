/** Caches trained jobs between benches, so that a table can be printed again without an hour's work. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";
import { readResult } from "../../ml/training/job/training_result.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import type { RunResult } from "../../ml/training/job/training_event.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { runTraining } from "../../tests/support/training/training_run.ts";
import { projectPath } from "../../tools/service_process.ts";
import { SMALL_MODEL } from "../../ml/models/catalog.ts";
import type { PersonReplies } from "./corpus_people.ts";

/** Git ignores it. */
export const DATA_DIR = projectPath("data");
const STYLE_DIR = join(DATA_DIR, "style");

/** Settings that PEFT's figures are known for. */
const SETTINGS = {
  epochs: 3,
  learningRate: 3e-4,
  warmupSteps: 5,
  batchSize: 8,
  seed: 1,
  // What stops early would not be comparable.
  patienceEpochs: 3,
} as const;

/** The folder of something cached; created when missing. */
export async function styleFolder(name: string): Promise<string> {
  const folder = join(STYLE_DIR, name);
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

/** A job on the small model with the usual settings. */
export async function styleRequest(
  jobId: string,
  request: Pick<TrainingRequestInput, "samples"> & Partial<TrainingRequestInput>,
): Promise<TrainingRequestInput> {
  const { path: modelPath } = await fetchSmallModel();
  return { jobId, modelPath, modelId: SMALL_MODEL.id, threads: THREADS, ...SETTINGS, ...request };
}

/** The job of a person's replies, the earlier ones to learn from and the later ones held out. */
export function personRequest(
  jobId: string,
  { train, heldOut }: Pick<PersonReplies, "train" | "heldOut">,
): Promise<TrainingRequestInput> {
  return styleRequest(jobId, {
    samples: [
      ...train.map((sample) => ({ ...sample, heldOut: false })),
      ...heldOut.map((sample) => ({ ...sample, heldOut: true })),
    ],
  });
}

/** As the services do by default: one core is left to everything else. */
export const THREADS = Math.max(1, navigator.hardwareConcurrency - 1);

/** What is at hand when nothing else runs: the peers' best. */
export const ALL_THREADS = navigator.hardwareConcurrency;

/** The result of a job, from its folder where it has been run before. */
export async function cachedTraining(request: TrainingRequestInput): Promise<RunResult> {
  const folder = await styleFolder(request.jobId);
  return await readResult(folder) ?? await runTraining(folder, request);
}

/** A value that is computed once and cached as JSON. */
export async function cached<Value>(path: string, compute: () => Promise<Value>): Promise<Value> {
  const text = await ifPresent(Deno.readTextFile(path));
  if (text !== null) return JSON.parse(text);
  const value = await compute();
  await Deno.writeTextFile(path, JSON.stringify(value));
  return value;
}
