/** Trains again by itself, at night, an account that has enough new samples. Its owner still promotes the adapter. */
import type { Clock } from "../../../lib/clock.ts";
import { logFieldsOfError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { HourRange } from "../../config.ts";
import type { TrainingJobStore } from "../../store/training/training_job_store.ts";
import type { TrainingService } from "./training_service.ts";

const HOUR_MS = 3_600_000;
/** How often due accounts are looked for. */
const CHECK_MS = HOUR_MS / 4;
/** An account is trained once a night; what failed is tried again in the next one. */
const BETWEEN_JOBS_MS = 20 * HOUR_MS;

export interface RetrainingOptions {
  trainingJobs: Pick<TrainingJobStore, "listOutdated">;
  training: Pick<TrainingService, "start" | "collectSent">;
  log: Logger;
  clock: Clock;
  /** How many samples must be new. */
  newSamples: number;
  hours: HourRange;
  /** Whether this server does what only one may do; absent: it is the only one. */
  isLeader?: () => Promise<boolean>;
}

/** Whether an hour lies in a range; one that ends where it begins is the whole day. */
export function isWithin(hour: number, { from, to }: HourRange): boolean {
  return from < to ? hour >= from && hour < to : hour >= from || hour < to;
}

/** What was sent in place of drafts counts as new as well. */
async function collectSent(
  { trainingJobs, training, log }: RetrainingOptions,
  idleSince: Date,
): Promise<void> {
  for (const { accountId } of await trainingJobs.listOutdated({ newSamples: 0, idleSince })) {
    await training.collectSent(accountId).catch((error) => {
      log.warn("what was sent in place of drafts could not be learned", logFieldsOfError(error));
    });
  }
}

/** Starts the last completed job of each account with enough new samples again, on all of its samples. */
export async function retrain(options: RetrainingOptions): Promise<void> {
  const { trainingJobs, training, log, clock, newSamples, hours, isLeader } = options;
  const now = new Date(clock.now());
  if (!isWithin(now.getHours(), hours)) return;
  if (isLeader !== undefined && !await isLeader()) return;
  const idleSince = new Date(now.getTime() - BETWEEN_JOBS_MS);
  await collectSent(options, idleSince);
  for (const last of await trainingJobs.listOutdated({ newSamples, idleSince })) {
    const { accountId, deviceId, baseModel, epochs, learningRate, method, settings } = last;
    const request = { baseModel, epochs, learningRate, method, ...settings };
    try {
      const { id: jobId, sampleCount } = await training.start({ accountId, deviceId }, request);
      log.info("an account is trained again", { jobId, samples: sampleCount });
    } catch (error) {
      log.warn("an account could not be trained again", logFieldsOfError(error));
    }
  }
}

/** Retrains what is due now and then, until the returned function is called. */
export function keepRetraining(options: RetrainingOptions): () => void {
  const { clock, log } = options;
  let cancel = () => {};
  let isStopped = false;
  const check = async () => {
    await retrain(options).catch((error) => {
      log.warn("accounts to train again were not looked for", logFieldsOfError(error));
    });
    if (!isStopped) cancel = clock.after(CHECK_MS, check);
  };
  cancel = clock.after(CHECK_MS, check);
  return () => {
    isStopped = true;
    cancel();
  };
}
