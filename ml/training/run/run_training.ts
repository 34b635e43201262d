/** Owns a job from its folder's request to its adapter: prepare, measure the base, train, choose, export. */
import { createTrainer } from "../lora_trainer.ts";
import type { Trainer } from "../trainer.ts";
import { type CheckpointFacts, Checkpoints } from "./checkpoints.ts";
import { heldOutLoss } from "./held_out_loss.ts";
import { defaultWarmupSteps } from "./learning_rate.ts";
import { chooseWeights } from "./memory_check.ts";
import { MetricsFile, readMetrics } from "./metrics_file.ts";
import { preferenceSteps } from "./preference_steps.ts";
import { RunFailure } from "./run_failure.ts";
import { StepClock } from "./step_clock.ts";
import { curvesOf } from "./training_curves.ts";
import type { TrainingEvent, TrainingResult } from "./training_event.ts";
import { checkModelUnchanged, openTrainingJob, trainerOptionsOf, type TrainingJob } from "./training_job.ts";
import { type LoopOptions, runEpochs, stepsPerEpoch } from "./training_loop.ts";
import { writePlot } from "./training_plot.ts";
import { finishTraining, readResult } from "./training_result.ts";

export interface RunOptions {
  emit: (event: TrainingEvent) => void;
  /** Ends the job within a step; `runTraining` then throws its reason. */
  signal: AbortSignal;
}

interface Run extends RunOptions {
  job: TrainingJob;
  checkpoints: Checkpoints;
  metrics: MetricsFile;
}

/** The checkpoints that this job can go on from, newest first. */
async function usableCheckpoints({ job, checkpoints, emit }: Run): Promise<CheckpointFacts[]> {
  const { checkpoints: found, damaged } = await checkpoints.list();
  if (damaged > 0) {
    emit({
      type: "note",
      code: "checkpoint_damaged",
      message: `${damaged} damaged checkpoint is passed over`,
    });
  }
  if (found.some(({ modelHash }) => modelHash !== job.modelHash)) {
    throw new RunFailure(
      "model_changed",
      "The base model's file was replaced since this training began: start the training again on the new one",
    );
  }
  return found.filter(({ requestHash }) => requestHash === job.requestHash);
}

/** Takes a checkpoint over, with the best epoch's state behind it; false when one of its files is damaged. */
async function restore(trainer: Trainer, state: CheckpointFacts, run: Run): Promise<boolean> {
  const { checkpoints, metrics } = run;
  const isWhole = (state.best === null || await checkpoints.load(trainer, state.best.stateFile)) &&
    await checkpoints.loadSteps(trainer, state.steps) && await metrics.cutTo(state.metricsBytes);
  if (isWhole) await checkpoints.removeAfter(state.steps);
  return isWhole;
}

async function resume(
  trainer: Trainer,
  run: Run,
  options: { found: readonly CheckpointFacts[] },
): Promise<CheckpointFacts | undefined> {
  const { emit } = run;
  for (const state of options.found) {
    if (await restore(trainer, state, run)) {
      emit({ type: "note", code: "resumed", message: `Training goes on after step ${state.steps}` });
      return state;
    }
    emit({
      type: "note",
      code: "checkpoint_damaged",
      message: `The checkpoint of step ${state.steps} is damaged; the one before it is taken`,
    });
  }
  return undefined;
}

/** How the base model does on the held-out replies, alone and with examples. */
async function measureBase(
  trainer: Trainer,
  { job: { samples: { heldOut } }, emit, signal }: Run,
): Promise<{ baseLoss: number; examplesLoss: number }> {
  emit({ type: "evaluating", what: "base" });
  const base = await heldOutLoss(trainer, heldOut.map(({ plain }) => plain), { adapterScale: 0, signal });
  emit({ type: "evaluating", what: "examples" });
  const shown = heldOut.map(({ withExamples }) => withExamples);
  const examples = await heldOutLoss(trainer, shown, { adapterScale: 0, signal });
  return { baseLoss: base.loss, examplesLoss: examples.loss };
}

async function begin(
  trainer: Trainer,
  run: Run,
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

/** How a step is taken on a batch: on replies, or on pairs of them. */
async function stepsOf(
  trainer: Trainer,
  { job: { request, samples }, emit, signal }: Run,
): Promise<LoopOptions["takeStep"]> {
  if (request.method === "sft") return (batch, options) => trainer.step(batch, options);
  emit({ type: "evaluating", what: "pairs" });
  const { dpoBeta: beta, dpoAnchor: anchor } = request;
  return await preferenceSteps(trainer, samples.train, { beta, anchor, signal });
}

async function draw({ examplesLoss }: CheckpointFacts, { job: { folder } }: Run): Promise<void> {
  await writePlot(folder, curvesOf(await readMetrics(folder), { examplesLoss }));
}

/** Trains from a state to the end and leaves the best epoch's adapter in the trainer. */
async function train(trainer: Trainer, state: CheckpointFacts, run: Run): Promise<boolean> {
  const { job, checkpoints, metrics, emit, signal } = run;
  const { request, samples } = job;
  const steps = stepsPerEpoch(samples.train.length, request.batchSize) * request.epochs;
  const stoppedEarly = await runEpochs(state, {
    trainer,
    request,
    train: samples.train,
    heldOut: samples.heldOut,
    warmupSteps: request.warmupSteps ?? defaultWarmupSteps(steps),
    checkpoints,
    metrics,
    clock: new StepClock(),
    emit,
    afterEpoch: () => draw(state, run),
    signal,
    takeStep: await stepsOf(trainer, run),
  });
  if (stoppedEarly) {
    emit({ type: "note", code: "stopped_early", message: "The held-out loss stopped falling" });
  }
  // A job that was killed after its last epoch may have none.
  await draw(state, run);
  const best = state.best?.stateFile;
  if (best !== undefined && !await checkpoints.load(trainer, best)) {
    throw new RunFailure("bad_state", "The best epoch's checkpoint was damaged during training");
  }
  return stoppedEarly;
}

async function runJob(run: Run): Promise<TrainingResult> {
  const { job, emit, signal, checkpoints } = run;
  const { request, samples } = job;
  const found = await usableCheckpoints(run);
  // A state belongs to the format it was trained with.
  const asked = { ...trainerOptionsOf(request), weights: found[0]?.weights ?? request.weights };
  const { weights, memory } = chooseWeights(asked, {
    longestSample: samples.longestSample,
    limitBytes: request.memoryLimitBytes,
  });
  emit({
    type: "prepared",
    train: samples.train.length,
    heldOut: samples.heldOut.length,
    excluded: samples.excluded,
    steps: stepsPerEpoch(samples.train.length, request.batchSize) * request.epochs,
    memoryBytes: memory.totalBytes,
  });
  using trainer = await createTrainer({ ...asked, weights });
  const resumed = await resume(trainer, run, { found });
  if (resumed === undefined && found.length > 0) {
    emit({ type: "note", code: "started_over", message: "No checkpoint can be used; training starts over" });
  }
  const state = resumed ?? await begin(trainer, run, { weights });
  const stoppedEarly = await train(trainer, state, run);
  emit({ type: "exporting" });
  await checkModelUnchanged(job, signal);
  const result = await finishTraining(trainer, job, { state, stoppedEarly });
  await checkpoints.remove();
  return result;
}

/**
 * Runs the job of a folder to its end, going on from its last checkpoint if it has one.
 *
 * @throws RunFailure, TrainingError, the signal's reason, and what the file system throws
 */
export async function runTraining(folder: string, { emit, signal }: RunOptions): Promise<TrainingResult> {
  const done = await readResult(folder);
  if (done !== undefined) return done;
  const job = await openTrainingJob(folder, signal);
  using metrics = await MetricsFile.open(folder);
  return await runJob({ job, checkpoints: new Checkpoints(folder), metrics, emit, signal });
}
