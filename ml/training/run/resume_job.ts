/** Owns going on from a job's checkpoints: which of them belong to it, and the newest that is whole. */
import type { Trainer } from "../trainer.ts";
import type { CheckpointFacts } from "./checkpoints.ts";
import type { JobRun } from "../job/job_run.ts";
import { RunFailure } from "../job/run_failure.ts";

/**
 * The checkpoints that this job can go on from, newest first.
 *
 * @throws RunFailure `model_changed` when they are of another base model
 */
export async function usableCheckpoints({ job, checkpoints, emit }: JobRun): Promise<CheckpointFacts[]> {
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
async function restore(trainer: Trainer, state: CheckpointFacts, run: JobRun): Promise<boolean> {
  const { checkpoints, metrics } = run;
  const isWhole = (state.best === null || await checkpoints.load(trainer, state.best.stateFile)) &&
    await checkpoints.loadSteps(trainer, state.steps) && await metrics.cutTo(state.metricsBytes);
  if (isWhole) await checkpoints.removeAfter(state.steps);
  return isWhole;
}

/** Takes the newest whole checkpoint over, and tells of those that are damaged; undefined when none is whole. */
export async function resumeJob(
  trainer: Trainer,
  run: JobRun,
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
