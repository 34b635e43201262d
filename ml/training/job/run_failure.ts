/** Defines the failures that end a training job, and the sentences a person reads about them. */
import { TrainingError, type TrainingErrorCode } from "../trainer.ts";

/** Why a training job failed: the trainer's codes, and those of the job around it. */
export type RunFailureCode =
  | TrainingErrorCode
  | "bad_request"
  | "too_few_samples"
  | "model_changed"
  | "disk_full"
  | "internal";

/** A failure that ends a training job. Its message contains no sample text. */
export class RunFailure extends Error {
  override readonly name = "RunFailure";
  readonly code: RunFailureCode;

  constructor(code: RunFailureCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** What operating systems say about a full disk. */
const DISK_FULL = /No space left|ENOSPC|os error 28\b|File too large|os error 27\b|quota/i;

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && (DISK_FULL.test(error.message) || isDiskFull(error.cause));
}

/** The code and message of a failure. An unexpected error is reported by name only: its message may quote samples. */
export function failureOf(error: unknown): { code: RunFailureCode; message: string } {
  if (error instanceof RunFailure || error instanceof TrainingError) {
    return { code: error.code, message: error.message };
  }
  if (isDiskFull(error)) {
    return { code: "disk_full", message: "The disk is full: free some space, then start the training again" };
  }
  const name = error instanceof Error ? error.name : typeof error;
  return { code: "internal", message: `Training ended unexpectedly (${name})` };
}
