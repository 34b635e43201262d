/** The trainings of the protocol, by ml's own jobs; a finished one is not run again. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { readResult } from "../../ml/training/job/training_result.ts";
import type { TrainingRequestInput } from "../../ml/training/job/training_request.ts";
import type { RunResult } from "../../ml/training/job/training_event.ts";
import { SMALL_MODEL } from "../../ml/models/catalog.ts";
import { readTextingAdapter } from "../../ml/models/texting_adapter.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { runTraining } from "../../tests/support/training/training_run.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import type { PersonReplies, ReplySample } from "../style/corpus_people.ts";
import type { Pool } from "./voice_people.ts";

/** Git ignores it. */
export const VOICE_DIR = join(DATA_DIR, "voice");

/** One thread and one format of weights, so that equal samples make equal adapters; all else is a job's own default. */
const SETTINGS = { threads: 1, weights: "q8_0", seed: 1 } as const;

/** The result of a job on the small model, from its folder where it has been run before. */
async function trained(
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
function samplesOf({ train, conversationOf }: PersonReplies): TrainingRequestInput["samples"] {
  return train.map((sample) => ({ ...sample, conversation: String(conversationOf.get(sample)) }));
}

/** The texting adapter, made again: one epoch over the pool. `texting_adapter.ts` puts it where ml has it. */
export function trainPooled(pool: Pool): Promise<RunResult> {
  const marked = (samples: readonly ReplySample[], heldOut: boolean) =>
    samples.map((sample) => ({ ...sample, heldOut }));
  return trained("texting", {
    samples: [...marked(pool.train, false), ...marked(pool.heldOut, true)],
    epochs: 1,
  });
}

/** The file of the texting adapter that ml ships. @throws UserError where it is missing */
export async function textingPath(): Promise<string> {
  const texting = await readTextingAdapter();
  if (texting !== undefined) return texting.path;
  throw new UserError("The texting adapter is missing", { fix: "`deno task texting-adapter` makes it" });
}

/** What a training is compared by; absent: as a job does by default. */
export type TrainingChoice = Partial<Pick<TrainingRequestInput, "epochs" | "learningRate">>;

/** The job of a person's own adapter. */
function ownJob({ id }: Pick<PersonReplies, "id">, choice: TrainingChoice = {}): string {
  return ["own", id, ...Object.entries(choice).map(([name, value]) => `${name}-${value}`)].join("-");
}

/** A person's own adapter as the product makes it: it starts from the texting adapter. */
export async function trainOwn(person: PersonReplies, choice: TrainingChoice = {}): Promise<RunResult> {
  return await trained(ownJob(person, choice), {
    samples: samplesOf(person),
    textingAdapter: { path: await textingPath(), start: true },
    ...choice,
  });
}
