/** Runs a job's epochs: steps, metrics, held-out loss, checkpoints and early stopping. */
import type { StepResult, TokenSample, Trainer } from "../trainer.ts";
import type { HeldOutSample, PreparedSample } from "../samples/prepare_samples.ts";
import { type CheckpointFacts, type Checkpoints, stateFileOf } from "./checkpoints.ts";
import { epochBatches, learningRateAt } from "./schedule.ts";
import type { MetricsFile } from "../job/metrics_file.ts";
import type { StepClock } from "./step_clock.ts";
import type { EpochEvent, EvaluatingEvent, StepEvent, TrainingEvent } from "../job/training_event.ts";
import type { TrainingJob } from "../job/training_job.ts";
import { TrainingError } from "../training_error.ts";

export interface HeldOutMeasure {
  /** Mean negative natural log-probability per reply token. */
  loss: number;
  /** Of each reply, in the samples' order: natural logarithm, summed over its tokens. */
  logLikelihoods: number[];
}

/** Reports that an evaluation begins. @returns what reports that `count` more replies are measured */
export function reportEvaluation(
  emit: (event: TrainingEvent) => void,
  { what, toEvaluate }: Pick<EvaluatingEvent, "what" | "toEvaluate">,
): (count: number) => void {
  let evaluated = 0;
  const report = (count: number) => {
    evaluated += count;
    emit({ type: "evaluating", what, evaluated, toEvaluate });
  };
  report(0);
  return report;
}

/**
 * Measures a model's loss per reply token on samples, end-of-turn tokens included.
 *
 * @throws TrainingError `diverged` when the loss is not a number
 */
export async function heldOutLoss(
  trainer: Trainer,
  samples: readonly TokenSample[],
  options: Pick<LoopOptions, "emit" | "signal"> & { what: "base" | "examples" | "texting" | "heldOut" },
): Promise<HeldOutMeasure> {
  const { what, emit, signal } = options;
  const likelihoods = await trainer.evaluate(samples, {
    adapterScale: what === "heldOut" || what === "texting" ? 1 : 0,
    signal,
    onEvaluated: reportEvaluation(emit, { what, toEvaluate: samples.length }),
  });
  const logLikelihoods = likelihoods.map(({ logLikelihood }) => logLikelihood);
  const tokens = likelihoods.reduce((sum, likelihood) => sum + likelihood.tokens, 0);
  const loss = -logLikelihoods.reduce((sum, value) => sum + value, 0) / tokens;
  if (Number.isFinite(loss)) return { loss, logLikelihoods };
  throw new TrainingError("diverged", "The held-out loss is no number any more", {
    fix: "Lower the learning rate",
  });
}

/** A running job's state: its next checkpoint. */
export type LoopState = CheckpointFacts;

export interface LoopOptions {
  trainer: Trainer;
  request: TrainingJob["request"];
  train: readonly PreparedSample[];
  heldOut: readonly HeldOutSample[];
  warmupSteps: number;
  checkpoints: Checkpoints;
  metrics: MetricsFile;
  clock: StepClock;
  emit: (event: TrainingEvent) => void;
  /** Called after each epoch, once its checkpoint is written. */
  afterEpoch: () => Promise<void>;
  signal: AbortSignal;
  takeStep: (
    batch: readonly PreparedSample[],
    options: { learningRate: number; signal: AbortSignal },
  ) => Promise<StepResult>;
}

export function stepsPerEpoch(samples: number, batchSize: number): number {
  return Math.ceil(samples / batchSize);
}

/** Whether the last `patienceEpochs` epochs brought no improvement. */
export function hasStoppedImproving(
  epochs: readonly { epoch: number }[],
  options: { bestEpoch: number | undefined; patienceEpochs: number },
): boolean {
  const { bestEpoch = 0, patienceEpochs } = options;
  return (epochs.at(-1)?.epoch ?? 0) - bestEpoch >= patienceEpochs;
}

async function record(options: LoopOptions, metric: StepEvent | EpochEvent): Promise<void> {
  await options.metrics.append(metric);
  options.emit(metric);
}

async function save(state: LoopState, { trainer, checkpoints, metrics, clock }: LoopOptions): Promise<void> {
  await metrics.sync();
  state.metricsBytes = metrics.sizeBytes;
  await checkpoints.save(trainer, state);
  clock.saved();
}

async function step(
  state: LoopState,
  options: LoopOptions & { batch: readonly PreparedSample[]; epoch: number },
) {
  const { request, warmupSteps, signal, clock, batch, epoch } = options;
  const steps = stepsPerEpoch(options.train.length, request.batchSize) * request.epochs;
  const learningRate = learningRateAt(state.steps, { peak: request.learningRate, warmupSteps, steps });
  const { loss, tokens } = await clock.time(() => options.takeStep(batch, { learningRate, signal }));
  state.steps++;
  clock.stepped(tokens);
  await record(options, {
    type: "step",
    step: state.steps,
    steps,
    epoch,
    loss,
    learningRate,
    tokensPerSecond: clock.tokensPerSecond,
    etaMs: clock.etaMs(steps - state.steps),
  });
}

async function measureEpoch(state: LoopState, options: LoopOptions & { epoch: number }): Promise<void> {
  const { trainer, heldOut, epoch, signal, emit } = options;
  const { loss, logLikelihoods } = await heldOutLoss(trainer, heldOut.map(({ plain }) => plain), {
    what: "heldOut",
    emit,
    signal,
  });
  const measure = { epoch, step: state.steps, heldOutLoss: loss, heldOutPerplexity: Math.exp(loss) };
  state.epochs.push(measure);
  if (state.best === null || loss < state.best.heldOutLoss) {
    state.best = { epoch, heldOutLoss: loss, logLikelihoods, stateFile: stateFileOf(state.steps) };
  }
  await record(options, { type: "epoch", ...measure });
}

async function runEpoch(state: LoopState, options: LoopOptions & { epoch: number }): Promise<void> {
  const { request: { seed, batchSize, checkpointSteps }, train, clock, epoch } = options;
  const batches = epochBatches(train, { seed, epoch, batchSize });
  const done = state.steps - (epoch - 1) * batches.length;
  for (const [index, batch] of batches.slice(done).entries()) {
    await step(state, { ...options, batch });
    const isLast = done + index + 1 === batches.length;
    // The last step of an epoch is saved with the epoch's measure.
    if (!isLast && (state.steps % checkpointSteps === 0 || clock.isSaveDue)) await save(state, options);
  }
  await measureEpoch(state, options);
  await save(state, options);
  await options.afterEpoch();
}

/**
 * Trains until all epochs are done or the held-out loss stops falling, updating `state`.
 *
 * @returns whether it stopped early
 * @throws the signal's reason; what trainer and files throw
 */
export async function runEpochs(state: LoopState, options: LoopOptions): Promise<boolean> {
  const { request: { epochs, patienceEpochs } } = options;
  while (state.epochs.length < epochs) {
    if (hasStoppedImproving(state.epochs, { bestEpoch: state.best?.epoch, patienceEpochs })) return true;
    await runEpoch(state, { ...options, epoch: state.epochs.length + 1 });
  }
  return false;
}
