/** Defines the failures that end a training, and maps any thrown value to the one that a person reads. */
import { UserError, type UserErrorOptions } from "../../lib/errors.ts";

/** Why a training failed: first what the trainer finds, then what the job around it does. */
export type TrainingErrorCode =
  | "library_unusable"
  | "model_unreadable"
  | "model_unsupported"
  | "bad_settings"
  | "bad_sample"
  | "bad_state"
  | "out_of_memory"
  | "diverged"
  | "compute_failed"
  | "bad_request"
  | "too_few_samples"
  | "model_changed"
  | "disk_full"
  | "internal";

/** A training failure with a code. Neither its message nor its fix contains sample text. */
export class TrainingError extends UserError {
  override readonly name = "TrainingError";
  readonly code: TrainingErrorCode;

  constructor(code: TrainingErrorCode, message: string, options: UserErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** What operating systems say about a full disk. */
const DISK_FULL = /No space left|ENOSPC|os error 28\b|File too large|os error 27\b|quota/i;

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && (DISK_FULL.test(error.message) || isDiskFull(error.cause));
}

/** A failure as a job's process reports it. */
export interface TrainingFailure {
  code: TrainingErrorCode;
  message: string;
  /** What to do about it; absent where the message says it all. */
  fix?: string;
}

/** The failure of any thrown value. An unexpected error is reported by name only: its message may quote samples. */
export function failureOf(error: unknown): TrainingFailure {
  if (error instanceof TrainingError) {
    const { code, message, fix } = error;
    return fix === null ? { code, message } : { code, message, fix };
  }
  if (isDiskFull(error)) {
    return {
      code: "disk_full",
      message: "The disk is full",
      fix: "Free some space, then start the training again",
    };
  }
  const name = error instanceof Error ? error.name : typeof error;
  return { code: "internal", message: `Training ended unexpectedly (${name})` };
}
