/** Owns what the parts of a running job have in common. */
import type { Checkpoints } from "../run/checkpoints.ts";
import type { MetricsFile } from "./metrics_file.ts";
import type { TrainingEvent } from "./training_event.ts";
import type { TrainingJob } from "./training_job.ts";

export interface RunOptions {
  emit: (event: TrainingEvent) => void;
  /** Ends the job within a step; `runTraining` then throws its reason. */
  signal: AbortSignal;
}

/** A job under way. */
export interface JobRun extends RunOptions {
  job: TrainingJob;
  checkpoints: Checkpoints;
  metrics: MetricsFile;
}
