/** Owns what a training job tells while it runs, and how it ends: the shapes of its lines and files. */
import type { RunFailureCode } from "./run_failure.ts";

/** Why samples were left out, and how many of them; no sample is counted twice. */
export type ExcludedCounts = Readonly<Record<string, number>>;

/** Samples are tokenised, divided and counted. */
export interface PreparedEvent {
  type: "prepared";
  train: number;
  heldOut: number;
  excluded: ExcludedCounts;
  /** Steps of all epochs together. */
  steps: number;
  /** Bytes that training takes beside the process itself. */
  memoryBytes: number;
}

/** A step was taken. `step` counts from 1. */
export interface StepEvent {
  type: "step";
  step: number;
  steps: number;
  /** From 1. */
  epoch: number;
  /** Per reply token, before the step; of `dpo` per pair. */
  loss: number;
  learningRate: number;
  tokensPerSecond: number;
  /** Until the last step, if all epochs run; null before there is a measure. */
  etaMs: number | null;
}

/** An epoch ended; epoch 0 is the base model before training. */
export interface EpochEvent {
  type: "epoch";
  epoch: number;
  /** Steps taken by then. */
  step: number;
  /** Mean negative natural log-probability per token of the held-out replies, end marks included. */
  heldOutLoss: number;
  heldOutPerplexity: number;
}

/** An epoch together with the mean loss of its steps, which the base model, epoch 0, has none of. */
export type EpochMeasure = Omit<EpochEvent, "type"> & { trainingLoss: number | null };

/** What is measured of a training, and kept. */
export type Metric = StepEvent | EpochEvent;

/** Something happened that a person may want to know and that ends nothing. */
export interface NoteEvent {
  type: "note";
  code: "resumed" | "checkpoint_damaged" | "started_over" | "stopped_early";
  message: string;
}

export type TrainingEvent =
  | PreparedEvent
  | StepEvent
  | EpochEvent
  | NoteEvent
  | { type: "evaluating"; what: "base" | "examples" | "pairs" | "heldOut" }
  | { type: "exporting" }
  | { type: "completed"; result: TrainingResult }
  | { type: "failed"; code: RunFailureCode; message: string }
  | { type: "cancelled" };

/** The three ways to answer the held-out replies: natural-log loss per token, end marks included. */
export interface HeldOutComparison {
  samples: number;
  tokens: number;
  baseLoss: number;
  /** The base model shown the five most similar exchanges of the training samples. */
  examplesLoss: number;
  adapterLoss: number;
}

/** A finished job; also in its folder as `result.json`. */
export interface TrainingResult {
  jobId: string;
  modelId: string;
  /** The adapter's GGUF file in the job's folder. */
  adapterPath: string;
  /** SHA-256, in hex. */
  adapterHash: string;
  /** SHA-256 of the base model's file, in hex. */
  modelHash: string;
  method: "sft" | "dpo";
  steps: number;
  epochsRun: number;
  /** The epoch whose adapter this is: the one of the lowest held-out loss. */
  bestEpoch: number;
  stoppedEarly: boolean;
  train: number;
  excluded: ExcludedCounts;
  heldOut: HeldOutComparison;
  /** Whether the adapter may be used: its held-out loss is below the base model's. */
  offered: boolean;
  /** Its steps are in the job's metrics only: there may be millions. */
  curve: { epochs: EpochMeasure[] };
}

/** How a job's process ended. */
export type TrainingEnd =
  | { status: "completed"; result: TrainingResult }
  | { status: "failed"; code: RunFailureCode; message: string }
  | { status: "cancelled" }
  | {
    /** The process ended without a word, as after a native fault; its checkpoint is still there. */
    status: "crashed";
    /** A sentence with signal or exit code and the native library's last line, if it left one. */
    reason: string;
  };
