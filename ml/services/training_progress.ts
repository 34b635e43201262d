/** Owns how far a training job is, as its process tells it event by event and as the wire shows it. */
import type { MlTrainingStatus, TrainingResult } from "../../contract/ml_training.ts";
import type { TrainingEvent, TrainingResult as RunResult } from "../training/job/training_event.ts";

/** What changes in a status while a job runs. */
export type TrainingProgress = Pick<
  MlTrainingStatus,
  | "progress"
  | "phase"
  | "step"
  | "steps"
  | "epoch"
  | "loss"
  | "held_out_loss"
  | "learning_rate"
  | "tokens_per_second"
  | "eta_ms"
  | "excluded"
>;

/** The task of the queue of training jobs. */
export interface TrainingTasks {
  train: { payload: { jobId: string }; result: TrainingResult; progress: TrainingProgress };
}

/** What a status says before a job's process has told anything. */
export const NO_PROGRESS: TrainingProgress = {
  progress: 0,
  phase: null,
  step: null,
  steps: null,
  epoch: null,
  loss: null,
  held_out_loss: null,
  learning_rate: null,
  tokens_per_second: null,
  eta_ms: null,
  excluded: null,
};

export const PREPARING: TrainingProgress = { ...NO_PROGRESS, phase: "preparing" };

/** The whole is reached only when the adapter can be named. */
const MOST_BEFORE_END = 99;

/** Percent with one digit. */
function percentOf(step: number, steps: number): number {
  return Math.min(MOST_BEFORE_END, Math.floor(1_000 * step / Math.max(1, steps)) / 10);
}

/** The progress after an event. */
export function advanced(progress: TrainingProgress, event: TrainingEvent): TrainingProgress {
  switch (event.type) {
    case "prepared":
      return { ...progress, steps: event.steps, excluded: event.excluded };
    case "evaluating":
      return { ...progress, phase: "evaluating" };
    case "step": {
      const { step, steps, epoch, loss, learningRate, tokensPerSecond, etaMs } = event;
      return {
        ...progress,
        progress: percentOf(step, steps),
        phase: "training",
        step,
        steps,
        epoch,
        loss,
        learning_rate: learningRate,
        tokens_per_second: tokensPerSecond,
        eta_ms: etaMs,
      };
    }
    case "epoch":
      return { ...progress, phase: "training", epoch: event.epoch, held_out_loss: event.heldOutLoss };
    case "exporting":
      return { ...progress, phase: "exporting", eta_ms: null };
    default:
      return progress;
  }
}

/** The progress while a trained file becomes an adapter. */
export function publishing(progress: TrainingProgress): TrainingProgress {
  return { ...progress, progress: MOST_BEFORE_END, phase: "publishing", eta_ms: null };
}

/** A run's result as the wire has it. */
export function wireResultOf(result: RunResult, adapterId: string): TrainingResult {
  const { offered, train, heldOut } = result;
  return {
    adapter_id: adapterId,
    offered,
    base_loss: heldOut.baseLoss,
    examples_loss: heldOut.examplesLoss,
    adapter_loss: heldOut.adapterLoss,
    held_out_samples: heldOut.samples,
    train_samples: train,
  };
}

/** A small model takes hundreds of steps a second. */
const MIN_SPACING_MS = 200;
/** Whoever follows a job of days still sees it go on. */
const MAX_SPACING_MS = 10_000;
/** Statuses of a job for each time that its duration grows by e: nobody sees more of a course than that. */
const TOLD_BY_GROWTH = 1_000;

/** Says which steps are told, so that a day has thousands of them and not millions. */
export class StepPace {
  readonly #now: () => number;
  readonly #beganAt: number;
  #toldAt = -Infinity;

  /** @param now a clock in milliseconds that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#beganAt = now();
  }

  /** Whether the last one that was told is long enough ago. */
  get isDue(): boolean {
    const now = this.#now();
    const grown = (now - this.#beganAt) / TOLD_BY_GROWTH;
    return now - this.#toldAt >= Math.min(MAX_SPACING_MS, Math.max(MIN_SPACING_MS, grown));
  }

  /** Something was told. */
  told(): void {
    this.#toldAt = this.#now();
  }
}
