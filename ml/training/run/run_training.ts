/** Runs a job from its folder's request to its adapter: prepare, measure the base, train, select, export. */
import { createTrainer } from "../lora_trainer.ts";
import type { Trainer } from "../trainer.ts";
import { beginJob, resumeJob, usableCheckpoints } from "./job_start.ts";
import { type CheckpointFacts, Checkpoints } from "./checkpoints.ts";
import {
  checkModelUnchanged,
  type JobRun,
  openTrainingJob,
  type RunOptions,
  trainerOptionsOf,
} from "../job/training_job.ts";
import { defaultWarmupSteps } from "./schedule.ts";
import { chooseWeights } from "../memory_estimate.ts";
import { MetricsFile } from "../job/metrics_file.ts";
import { preferenceSteps } from "./preference_steps.ts";
import { StepClock } from "./step_clock.ts";
import type { RunResult } from "../job/training_event.ts";
import { type LoopOptions, reportEvaluation, runEpochs, stepsPerEpoch } from "./training_loop.ts";
import { writePlot } from "../plot/training_plot.ts";
import { finishTraining, readResult } from "../job/training_result.ts";
import { TrainingError } from "../training_error.ts";

/** Selects how a step is taken on a batch: on replies, or on pairs of them. */
async function stepsOf(
  trainer: Trainer,
  { job: { request, samples }, emit, signal }: JobRun,
): Promise<LoopOptions["takeStep"]> {
  if (request.method === "sft") return (batch, options) => trainer.step(batch, options);
  const { dpoBeta: beta, dpoAnchor: anchor } = request;
  const onEvaluated = reportEvaluation(emit, { what: "pairs", toEvaluate: 2 * samples.train.length });
  return await preferenceSteps(trainer, samples.train, { beta, anchor, signal, onEvaluated });
}

async function draw({ examplesLoss }: CheckpointFacts, { job: { folder }, metrics }: JobRun): Promise<void> {
  await writePlot(folder, metrics.curves({ examplesLoss }));
}

/** Trains from a state to the end and leaves the best epoch's adapter in the trainer; returns whether it stopped early. */
async function train(trainer: Trainer, state: CheckpointFacts, run: JobRun): Promise<boolean> {
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
  // A job killed after its last epoch may have no plot.
  await draw(state, run);
  const best = state.best?.stateFile;
  if (best !== undefined && !await checkpoints.load(trainer, best)) {
    throw new TrainingError("bad_state", "The best epoch's checkpoint was damaged during training");
  }
  return stoppedEarly;
}

async function trainToEnd(trainer: Trainer, state: CheckpointFacts, run: JobRun): Promise<RunResult> {
  const { job, emit, signal, checkpoints } = run;
  const stoppedEarly = await train(trainer, state, run);
  emit({ type: "exporting" });
  await checkModelUnchanged(job, signal);
  const result = await finishTraining(trainer, run, { state, stoppedEarly });
  await checkpoints.remove();
  return result;
}

async function runJob(run: JobRun): Promise<RunResult> {
  const { job: { request, samples }, emit } = run;
  const found = await usableCheckpoints(run);
  // A state can only be resumed with the weight format it was trained with.
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
  const options = { ...asked, weights };
  if (found.length > 0) {
    using trainer = await createTrainer(options);
    const state = await resumeJob(trainer, run, { found });
    if (state !== undefined) return await trainToEnd(trainer, state, run);
    emit({ type: "note", code: "started_over", message: "No checkpoint can be used; training starts over" });
  }
  // A new trainer: the one above may have loaded part of a damaged checkpoint.
  using trainer = await createTrainer(options);
  return await trainToEnd(trainer, await beginJob(trainer, run, { weights }), run);
}

/**
 * Runs the job of a folder to its end, resuming from its last checkpoint if it has one.
 *
 * @throws TrainingError, the signal's reason, and what the file system throws
 */
export async function runTraining(folder: string, { emit, signal }: RunOptions): Promise<RunResult> {
  using metrics = await MetricsFile.open(folder);
  const done = await readResult(folder);
  if (done !== undefined) return done;
  const job = await openTrainingJob(folder, signal);
  return await runJob({ job, checkpoints: new Checkpoints(folder), metrics, emit, signal });
}
