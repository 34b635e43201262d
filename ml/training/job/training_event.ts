/** Defines the events of a training job's process and the result it ends with. */
import { z } from "zod";
import type { StepFigures } from "../../../contract/training_figures.ts";
import { probeFiguresSchema } from "../../engine/adapter_probe.ts";
import type { TrainingFailure } from "../training_error.ts";

/** Excluded samples by reason; no sample is counted twice. */
export type ExcludedCounts = Readonly<Record<string, number>>;

/** Samples are tokenized, split and counted. */
export interface PreparedEvent {
  type: "prepared";
  train: number;
  heldOut: number;
  excluded: ExcludedCounts;
  /** Steps of all epochs. */
  steps: number;
  /** Bytes that training needs in addition to the process itself. */
  memoryBytes: number;
}

/** A step was taken; its number and its epoch count from 1, and its loss is that before the step. */
export interface StepEvent extends StepFigures {
  type: "step";
}

/** An epoch ended; epoch 0 is the base model before training. */
export interface EpochEvent {
  type: "epoch";
  epoch: number;
  /** Steps taken by then. */
  step: number;
  /** Mean negative natural log-probability per token of the held-out replies, end-of-turn tokens included. */
  heldOutLoss: number;
  heldOutPerplexity: number;
}

/** An epoch with the mean loss of its steps; epoch 0, the base model, has none. */
export type EpochMeasure = Omit<EpochEvent, "type"> & { trainingLoss: number | null };

/** A measurement that is stored in the metrics file. */
export type Metric = StepEvent | EpochEvent;

/** Something a person may want to know that does not end the job. */
export interface NoteEvent {
  type: "note";
  code: "resumed" | "checkpoint_damaged" | "started_over" | "stopped_early";
  message: string;
}

/** Replies are measured without learning from them. */
export interface EvaluatingEvent {
  type: "evaluating";
  what: "base" | "examples" | "texting" | "pairs" | "heldOut";
  evaluated: number;
  /** How many replies are measured in all. */
  toEvaluate: number;
}

export type TrainingEvent =
  | PreparedEvent
  | StepEvent
  | EpochEvent
  | EvaluatingEvent
  | NoteEvent
  | { type: "exporting" }
  | { type: "completed"; result: RunResult }
  | { type: "failed" } & TrainingFailure
  | { type: "cancelled" };

/** The three ways to answer the held-out replies: natural-log loss per token, end-of-turn tokens included. */
const heldOutComparisonSchema = z.object({
  samples: z.int(),
  /** The callers' names of some of them; absent in results of earlier versions. */
  ids: z.array(z.string()).default([]),
  tokens: z.int(),
  baseLoss: z.number(),
  /** The base model shown the five most similar exchanges of the training samples. */
  examplesLoss: z.number(),
  adapterLoss: z.number(),
});

const epochMeasureSchema = z.object({
  epoch: z.int(),
  step: z.int(),
  heldOutLoss: z.number(),
  heldOutPerplexity: z.number(),
  trainingLoss: z.number().nullable(),
});

/** A finished job; also in its folder as `result.json`. */
export const runResultSchema = z.object({
  jobId: z.string(),
  modelId: z.string(),
  /** The adapter's GGUF file in the job's folder. */
  adapterPath: z.string(),
  /** SHA-256, in hex. */
  adapterHash: z.string(),
  /** SHA-256 of the base model's file, in hex. */
  modelHash: z.string(),
  method: z.enum(["sft", "dpo"]),
  steps: z.int(),
  epochsRun: z.int(),
  /** The epoch whose adapter this is: the one of the lowest held-out loss. */
  bestEpoch: z.int(),
  stoppedEarly: z.boolean(),
  train: z.int(),
  excluded: z.record(z.string(), z.int()),
  heldOut: heldOutComparisonSchema,
  /** Whether the adapter may be used: what the gate decided, and why. */
  offered: z.boolean(),
  /** Absent in results of earlier versions. */
  offerReason: z.string().nullable().default(null),
  /** What the adapter makes of the probe; absent in results of earlier versions. */
  probe: probeFiguresSchema.nullable().default(null),
  /** Epochs only: there may be millions of steps, which are in the metrics file. */
  curve: z.object({ epochs: z.array(epochMeasureSchema) }),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** How a job's process ended. */
export type TrainingEnd =
  | { status: "completed"; result: RunResult }
  | { status: "failed" } & TrainingFailure
  | { status: "cancelled" }
  | {
    /** The process ended without a report, as after a native crash; its checkpoint is still there. */
    status: "crashed";
    /** A sentence with the signal or exit code and the native library's last line, if any. */
    reason: string;
  };
