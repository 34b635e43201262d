/** Owns the beginning of a job's training: the base model measured on the held-out replies, alone and with examples. */
import type { Trainer } from "../trainer.ts";
import type { CheckpointFacts } from "./checkpoints.ts";
import { heldOutLoss } from "./held_out_loss.ts";
import type { JobRun } from "../job/job_run.ts";

/** How the base model does on the held-out replies, alone and with examples. */
async function measureBase(
  trainer: Trainer,
  { job: { samples: { heldOut } }, emit, signal }: JobRun,
): Promise<{ baseLoss: number; examplesLoss: number }> {
  emit({ type: "evaluating", what: "base" });
  const base = await heldOutLoss(trainer, heldOut.map(({ plain }) => plain), { adapterScale: 0, signal });
  emit({ type: "evaluating", what: "examples" });
  const shown = heldOut.map(({ withExamples }) => withExamples);
  const examples = await heldOutLoss(trainer, shown, { adapterScale: 0, signal });
  return { baseLoss: base.loss, examplesLoss: examples.loss };
}

/** Measures the base model; what was written of the job before is forgotten. */
export async function beginJob(
  trainer: Trainer,
  run: JobRun,
  options: { weights: CheckpointFacts["weights"] },
): Promise<CheckpointFacts> {
  const { job: { requestHash, modelHash }, metrics, emit } = run;
  await metrics.cutTo(0);
  const losses = await measureBase(trainer, run);
  const base = {
    type: "epoch",
    epoch: 0,
    step: 0,
    heldOutLoss: losses.baseLoss,
    heldOutPerplexity: Math.exp(losses.baseLoss),
  } as const;
  await metrics.append(base);
  emit(base);
  return {
    requestHash,
    modelHash,
    weights: options.weights,
    steps: 0,
    ...losses,
    epochs: [],
    best: null,
    metricsBytes: metrics.sizeBytes,
  };
}
