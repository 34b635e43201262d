/** Starts or resumes a job: measures the base model, or restores the newest intact checkpoint. */
import type { Trainer } from "../trainer.ts";
import type { CheckpointFacts } from "./checkpoints.ts";
import { heldOutLoss } from "./training_loop.ts";
import { type JobRun, modelChanged } from "../job/training_job.ts";

type BaseMeasures = Pick<
  CheckpointFacts,
  "baseLoss" | "examplesLoss" | "baseLogLikelihoods" | "examplesLogLikelihoods" | "textingLogLikelihoods"
>;

/** Measures the texting adapter on the held-out replies; training then starts from it or, as without it, from nothing. */
async function measureTexting(
  trainer: Trainer,
  { job: { request: { textingAdapter }, samples: { heldOut } }, emit, signal }: JobRun,
): Promise<number[] | null> {
  if (textingAdapter === undefined) return null;
  await trainer.startFrom(textingAdapter.path);
  const plain = heldOut.map((sample) => sample.plain);
  const { logLikelihoods } = await heldOutLoss(trainer, plain, { what: "texting", emit, signal });
  if (!textingAdapter.start) await trainer.startFrom(null);
  return logLikelihoods;
}

/** Measures the base model on the held-out replies, alone and with examples. */
async function measureBase(trainer: Trainer, run: JobRun): Promise<BaseMeasures> {
  const { job: { samples: { heldOut } }, emit, signal } = run;
  const plain = heldOut.map((sample) => sample.plain);
  const base = await heldOutLoss(trainer, plain, { what: "base", emit, signal });
  const shown = heldOut.map(({ withExamples }) => withExamples);
  const examples = await heldOutLoss(trainer, shown, { what: "examples", emit, signal });
  return {
    baseLoss: base.loss,
    examplesLoss: examples.loss,
    baseLogLikelihoods: base.logLikelihoods,
    examplesLogLikelihoods: examples.logLikelihoods,
    textingLogLikelihoods: await measureTexting(trainer, run),
  };
}

/** Starts a job from the beginning: discards its old metrics and measures the base model. */
export async function beginJob(
  trainer: Trainer,
  run: JobRun,
  options: { weights: CheckpointFacts["weights"] },
): Promise<CheckpointFacts> {
  const { job: { requestHash, modelHash }, metrics, emit } = run;
  await metrics.cutTo(0);
  const measures = await measureBase(trainer, run);
  const base = {
    type: "epoch",
    epoch: 0,
    step: 0,
    heldOutLoss: measures.baseLoss,
    heldOutPerplexity: Math.exp(measures.baseLoss),
  } as const;
  await metrics.append(base);
  emit(base);
  return {
    requestHash,
    modelHash,
    weights: options.weights,
    steps: 0,
    ...measures,
    epochs: [],
    best: null,
    metricsBytes: metrics.sizeBytes,
  };
}

/**
 * The checkpoints from which this job can resume, newest first.
 *
 * @throws TrainingError `model_changed` when they are of another base model
 */
export async function usableCheckpoints({ job, checkpoints, emit }: JobRun): Promise<CheckpointFacts[]> {
  const { checkpoints: found, damaged } = await checkpoints.list();
  if (damaged > 0) {
    emit({
      type: "note",
      code: "checkpoint_damaged",
      message: `${damaged} damaged checkpoint is skipped`,
    });
  }
  if (found.some(({ modelHash }) => modelHash !== job.modelHash)) {
    throw modelChanged("since this training began");
  }
  return found.filter(({ requestHash }) => requestHash === job.requestHash);
}

/** Restores a checkpoint and checks the best epoch's state; false when one of its files is damaged. */
async function restore(trainer: Trainer, state: CheckpointFacts, run: JobRun): Promise<boolean> {
  const { checkpoints, metrics } = run;
  const isIntact = (state.best === null || await checkpoints.load(trainer, state.best.stateFile)) &&
    await checkpoints.loadSteps(trainer, state.steps) && await metrics.cutTo(state.metricsBytes);
  if (isIntact) await checkpoints.removeAfter(state.steps);
  return isIntact;
}

/** Restores the newest intact checkpoint and reports damaged ones; undefined when none is intact. */
export async function resumeJob(
  trainer: Trainer,
  run: JobRun,
  options: { found: readonly CheckpointFacts[] },
): Promise<CheckpointFacts | undefined> {
  const { emit } = run;
  for (const state of options.found) {
    if (await restore(trainer, state, run)) {
      emit({ type: "note", code: "resumed", message: `Training resumes after step ${state.steps}` });
      return state;
    }
    emit({
      type: "note",
      code: "checkpoint_damaged",
      message: `The checkpoint of step ${state.steps} is damaged; the one before it is used`,
    });
  }
  return undefined;
}
