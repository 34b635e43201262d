/** The demo's training: on what the owner sent before, within a time, and the same messages drafted before and after. */
import type { ComparedDrafts } from "../../contract/models.ts";
import { messageAnswered, transcriptOf } from "../../contract/prompt.ts";
import type { TrainingJob, TrainingSample } from "../../contract/training.ts";
import type { TrainingOutcome } from "../../contract/training_figures.ts";
import { RemoteError } from "../../lib/http/client.ts";
import type { OwnerClient } from "../../tests/support/server/owner_client.ts";
import { bubble, heading, line, paragraph, sideBySide, table } from "../print.ts";
import { type Draft, DRAFT_CONTEXT } from "../story.ts";
import { TrainingProgress } from "./training_progress.ts";

/** Most replies to learn from: a quarter of them are the thirty that the gate judges by; more would take more time. */
const MAX_REPLIES = 124;
/** One pass in small steps: what this few replies can teach in a minute or two. */
const SETTINGS = { epochs: 1, batchSize: 4 };
/** Held-out messages that are drafted before and after. */
const COMPARED = 3;

export interface TrainingLimits {
  /** The most that the training may take. */
  limitMs: number;
  /** Ends the demo. */
  signal: AbortSignal;
}

/** Whether nothing is left but to measure and store what was learned. */
function isLearned({ metrics }: TrainingJob): boolean {
  return metrics?.step != null && metrics.step === metrics.steps;
}

/**
 * Starts a training and follows it to its end; when the time is up it is cancelled, unless all its steps are done.
 *
 * @throws the reason of `signal`
 */
export async function trainWithin(
  owner: OwnerClient,
  limits: { timeUp: AbortSignal; signal: AbortSignal },
  show: (job: TrainingJob) => Promise<void> = async () => {},
): Promise<TrainingJob> {
  let job = await owner.startTraining(SETTINGS);
  const ending = AbortSignal.any([limits.timeUp, limits.signal]);
  try {
    for await (job of owner.followTraining(job.id, ending)) await show(job);
  } catch (error) {
    limits.signal.throwIfAborted();
    if (!limits.timeUp.aborted) throw error;
    if (!isLearned(job)) return await cancelled(owner, job);
    // A reader that comes again hears the course from its beginning, which was shown.
    for await (job of owner.followTraining(job.id, limits.signal)) if (isLearned(job)) await show(job);
  }
  return job;
}

/** The job once it is cancelled, or as it ended in the meantime, with the figures that are known of it. */
async function cancelled(owner: OwnerClient, { id, metrics }: TrainingJob): Promise<TrainingJob> {
  try {
    const job = await owner.cancelTraining(id);
    return { ...job, metrics: job.metrics ?? metrics };
  } catch (error) {
    if (!(error instanceof RemoteError) || error.statusCode !== 409) throw error;
    return await owner.trainingJob(id);
  }
}

function minutesText(limitMs: number): string {
  const minutes = limitMs / 60_000;
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}

/** Why there is no adapter, in words. */
export function endWithoutAdapter({ status, error, fix, metrics }: TrainingJob, limitMs: number): string {
  if (status !== "cancelled") {
    const reason = error ?? "nobody knows why";
    return `The training failed: ${reason}.${fix === null ? "" : ` ${fix}.`}`;
  }
  const { step, steps } = metrics ?? {};
  const at = step && steps ? ` at step ${step} of ${steps}` : "";
  return `Its ${
    minutesText(limitMs)
  } ran out${at}, so the training was cancelled and drafts stay as they were. ` +
    "--training=10 gives it ten minutes.";
}

function lossText(loss: number | null): string {
  return loss === null ? "not measured" : loss.toFixed(3);
}

function showOutcome(
  { baseLoss, examplesLoss, adapterLoss, heldOutSamples, ...outcome }: TrainingOutcome,
): void {
  paragraph(
    `It learned from ${outcome.trainSamples} replies. On ${heldOutSamples} others, which it has not seen, the loss per token is ` +
      "(the lower, the likelier are the owner's own words):",
  );
  table([
    ["the model as it comes", lossText(baseLoss)],
    ["shown similar replies", lossText(examplesLoss)],
    ["trained", lossText(adapterLoss)],
  ]);
  if (outcome.offerReason !== null) paragraph(`Is it better? ${outcome.offerReason}.`);
}

/** A draft's text, or that there is none. */
function textBy(drafts: ComparedDrafts["drafts"], by: ComparedDrafts["drafts"][number]["by"]): string {
  return drafts.find((draft) => draft.by === by)?.text || "(the model wrote nothing)";
}

async function showComparison(owner: OwnerClient, adapterId: string, sample: TrainingSample): Promise<void> {
  const { drafts } = await owner.compareDrafts(adapterId, sample.id);
  line();
  bubble("they wrote", messageAnswered(transcriptOf(sample.input)));
  bubble("really sent", sample.output, { colour: "blue" });
  sideBySide([textBy(drafts, "examples"), textBy(drafts, "adapter")], "green");
}

/** Puts the adapter to use, and drafts the newest message that waits once more. */
async function showAfter(owner: OwnerClient, adapterId: string, newest: Draft | undefined): Promise<void> {
  await owner.promote(adapterId);
  line();
  paragraph("It is put to use: drafts are made with it from now on. The newest message that waits:");
  if (newest === undefined) return;
  bubble("they wrote", newest.message);
  const after = await owner.draft(newest.messageId, DRAFT_CONTEXT);
  sideBySide([newest.answer.response || "(nothing)", after.response || "(nothing)"], "green");
}

/** Shows what came of a training that ended in time. */
async function showTrained(
  owner: OwnerClient,
  outcome: TrainingOutcome,
  newest: Draft | undefined,
): Promise<void> {
  const { adapterId, offered } = outcome;
  showOutcome(outcome);
  heading("The same messages, drafted before and after");
  line("Messages whose answers it did not learn from.");
  sideBySide(["before", "after"], "bold");
  for (const sample of (await owner.heldOutReplies(adapterId)).slice(0, COMPARED)) {
    await showComparison(owner, adapterId, sample);
  }
  if (offered) return await showAfter(owner, adapterId, newest);
  line();
  paragraph("It is not sure to be better, so it is not put to use: drafts stay as they were.");
}

/** Makes samples of what the owner sent before, trains on them, and shows the difference it makes. */
export async function showTraining(
  owner: OwnerClient,
  { limitMs, signal, drafts }: TrainingLimits & { drafts: readonly Draft[] },
): Promise<void> {
  heading("Training on what the owner sent before");
  const { imported } = await owner.importSamples(MAX_REPLIES);
  paragraph(
    `${imported} replies that were sent before become samples, too. The training may take ${
      minutesText(limitMs)
    }; ` +
      "--training=MINUTES changes that.",
  );
  using progress = new TrainingProgress();
  const job = await trainWithin(
    owner,
    { timeUp: AbortSignal.timeout(limitMs), signal },
    (status) => progress.show(status),
  );
  progress.finish();
  const outcome = job.status === "completed" ? job.metrics?.result ?? null : null;
  if (outcome === null) paragraph(endWithoutAdapter(job, limitMs));
  else await showTrained(owner, outcome, drafts[0]);
}
