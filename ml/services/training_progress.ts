/** Tracks a training job's progress on the wire from its process's events, and limits how often steps are reported. */
import type { MlTrainingStatus } from "../../contract/ml_training.ts";
import {
  mlTrainingProgressSchema,
  nothingOf,
  snakeCased,
  type TrainingResult,
} from "../../contract/training_figures.ts";
import type { z } from "../../deps.ts";
import type { RunResult, TrainingEvent } from "../training/job/training_event.ts";

/** What changes in a status while a job runs. */
export type TrainingProgress = Pick<MlTrainingStatus, "progress"> & z.infer<typeof mlTrainingProgressSchema>;

/** The task of the queue of training jobs. */
export interface TrainingTasks {
  train: { payload: { jobId: string }; result: TrainingResult; progress: TrainingProgress };
}

/** A status's progress before the job's process has reported any. */
export const NO_PROGRESS: TrainingProgress = { progress: 0, ...nothingOf(mlTrainingProgressSchema) };

export const PREPARING: TrainingProgress = { ...NO_PROGRESS, phase: "preparing" };

const NO_EVALUATION = { evaluated: null, to_evaluate: null };

/** 100 % is reached only once the adapter has an id. */
const MOST_BEFORE_END = 99;

/** Percent with one digit. */
function percentOf(step: number, steps: number): number {
  return Math.min(MOST_BEFORE_END, Math.floor(1_000 * step / Math.max(1, steps)) / 10);
}

/** The progress after an event. */
export function advanced(progress: TrainingProgress, event: TrainingEvent): TrainingProgress {
  switch (event.type) {
    case "prepared":
      return {
        ...progress,
        steps: event.steps,
        excluded: event.excluded,
        memory_bytes: event.memoryBytes,
      };
    case "evaluating":
      return { ...progress, phase: "evaluating", evaluated: event.evaluated, to_evaluate: event.toEvaluate };
    case "step": {
      const { type: _, ...figures } = event;
      const percent = percentOf(event.step, event.steps);
      return { ...progress, ...NO_EVALUATION, progress: percent, phase: "training", ...snakeCased(figures) };
    }
    case "epoch":
      return {
        ...progress,
        ...NO_EVALUATION,
        phase: "training",
        epoch: event.epoch,
        held_out_loss: event.heldOutLoss,
      };
    case "exporting":
      return { ...progress, phase: "exporting", eta_ms: null };
    default:
      return progress;
  }
}

/** The progress while the trained file is published as an adapter. */
export function publishing(progress: TrainingProgress): TrainingProgress {
  return { ...progress, progress: MOST_BEFORE_END, phase: "publishing", eta_ms: null };
}

/** A run's result as the wire has it. */
export function wireResultOf(
  { offered, offerReason, train, heldOut }: RunResult,
  adapterId: string,
): TrainingResult {
  const { baseLoss, examplesLoss, adapterLoss, samples, ids } = heldOut;
  return {
    ...snakeCased({ adapterId, offered, offerReason, baseLoss, examplesLoss, adapterLoss }),
    held_out_samples: samples,
    held_out_ids: ids,
    train_samples: train,
  };
}

/** A small model takes hundreds of steps per second. */
const MIN_SPACING_MS = 200;
/** Someone who follows a job of several days still sees it progress. */
const MAX_SPACING_MS = 10_000;
/** The spacing grows with the job's age: its age divided by this. */
const REPORTS_PER_AGE = 1_000;

/** Decides which steps and evaluated replies are reported: thousands a day instead of millions. */
export class ReportThrottle {
  readonly #now: () => number;
  readonly #startedAt: number;
  #reportedAt = -Infinity;

  /** @param now a clock in milliseconds that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** Whether the last report is long enough ago. */
  get isDue(): boolean {
    const now = this.#now();
    const spacingMs = (now - this.#startedAt) / REPORTS_PER_AGE;
    return now - this.#reportedAt >= Math.min(MAX_SPACING_MS, Math.max(MIN_SPACING_MS, spacingMs));
  }

  /** Records that something was reported. */
  reported(): void {
    this.#reportedAt = this.#now();
  }
}
