/** The trainings of the protocol, by ml's own jobs; a finished one is not run again. */
import { join } from "node:path";
import { readResult } from "../../ml/training/job/training_result.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import type { RunResult } from "../../ml/training/job/training_event.ts";
import { SMALL_MODEL } from "../../ml/models/catalog.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { runTraining } from "../../tests/support/training/training_run.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies, ReplySample } from "../style/corpus_people.ts";
import type { Pool } from "./voice_people.ts";

/** Git ignores it. */
export const VOICE_DIR = join(DATA_DIR, "voice");

/**
 * One thread and one format of weights, so that equal samples make equal adapters. One epoch at a job's own rate, which
 * learns most of what a job's three do (docs/training-speed.md): the bench trains two dozen adapters.
 */
const SETTINGS = { threads: 1, weights: "q8_0", seed: 1, epochs: 1 } as const;

/** The adapter's file of a job that has been run; undefined before. */
export async function adapterOf(jobId: string): Promise<string | undefined> {
  return (await readResult(join(VOICE_DIR, jobId)))?.adapterPath;
}

/** The result of a job on the small model, from its folder where it has been run before. */
export async function trained(
  jobId: string,
  request: Pick<TrainingRequestInput, "samples"> & Partial<TrainingRequestInput>,
): Promise<RunResult> {
  const folder = join(VOICE_DIR, jobId);
  await Deno.mkdir(folder, { recursive: true });
  const { path: modelPath } = await fetchSmallModel();
  const job = { jobId, modelPath, modelId: SMALL_MODEL.id, ...SETTINGS, ...request };
  return await readResult(folder) ?? await runTraining(folder, job);
}

/** A person's earlier replies as a job has them: it keeps some back for its gate, and never sees the later ones. */
export function samplesOf({ train, conversationOf }: PersonReplies): TrainingRequestInput["samples"] {
  return train.map((sample) => ({ ...sample, conversation: String(conversationOf.get(sample)) }));
}

type Named = Pick<PersonReplies, "id">;

export const TEXTING_JOB = "texting";

export function ownJob({ id }: Named): string {
  return `own-${id}`;
}

/** Of an own adapter that starts from the texting adapter. */
export function thenOwnJob({ id }: Named): string {
  return `then-own-${id}`;
}

/** The texting adapter: one epoch over the pool. */
export function trainPooled(pool: Pool): Promise<RunResult> {
  const marked = (samples: readonly ReplySample[], heldOut: boolean) =>
    samples.map((sample) => ({ ...sample, heldOut }));
  return trained(TEXTING_JOB, {
    samples: [...marked(pool.train, false), ...marked(pool.heldOut, true)],
  });
}

/** A person's own adapter. */
export function trainOwn(person: PersonReplies): Promise<RunResult> {
  return trained(ownJob(person), { samples: samplesOf(person) });
}

/** A person's own adapter that starts from the texting adapter. */
export function trainFromTexting(person: PersonReplies, textingPath: string): Promise<RunResult> {
  return trained(thenOwnJob(person), {
    samples: samplesOf(person),
    textingAdapter: { path: textingPath, start: true },
  });
}
