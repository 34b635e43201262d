/** A probability that is learned for each account from what it has stored: fitted when it is needed, kept in memory only. */
import type { Calibration } from "../../../contract/models.ts";
import {
  type Classifier,
  crossValidate,
  fitClassifier,
  shareAtCoverage,
} from "../../../lib/statistics/calibrated_classifier.ts";
import type { LogisticPrior, Observation } from "../../../lib/statistics/logistic_regression.ts";
import { reliabilityOf } from "../../../lib/statistics/reliability.ts";

/** With fewer recent scores, nobody can tell which are the higher ones. */
const MIN_RECENT = 20;
/** Fits that are kept; the account that was used least recently gives way. */
const MAX_ACCOUNTS = 100;

/** What an account has to learn from. */
export interface Examples<Kept> {
  /** Neighbours, such as those of one conversation, beside each other: cross-validation keeps them together. */
  readonly observations: readonly Observation[];
  /** The features of the latest, whose scores say which of the next ones are higher than usual. */
  readonly recent: readonly (readonly number[])[];
  /** What else the account's predictions need. */
  readonly kept: Kept;
}

/** What an account has taught. */
export interface Fit<Kept> {
  readonly classifier: Classifier;
  readonly observations: readonly Observation[];
  /** Of the recent ones, the lowest first. */
  readonly scores: readonly number[];
  readonly kept: Kept;
}

export interface AccountClassifierOptions<Counts, Kept> {
  readonly prior: LogisticPrior;
  /** How much there is to learn from. */
  counts(accountId: string): Promise<Counts>;
  read(accountId: string): Promise<Examples<Kept>>;
  /** Whether enough came to fit again, or any of it went: what was deleted teaches nothing from then on. */
  isOutdated(fitted: Counts, now: Counts): boolean;
}

export interface AccountClassifier<Kept> {
  fitOf(accountId: string): Promise<Fit<Kept>>;
  /** How well it does, by cross-validation. */
  calibration(accountId: string): Promise<Calibration>;
}

/** The score from which on the wanted share of recent ones lies. */
export function thresholdOf(scores: readonly number[], coverage: number): number {
  if (coverage === 0) return Infinity;
  if (coverage === 1 || scores.length < MIN_RECENT) return -Infinity;
  return scores[Math.floor(scores.length * (1 - coverage))] ?? -Infinity;
}

function calibrationOf({ classifier, observations }: Fit<unknown>, prior: LogisticPrior): Calibration {
  const predictions = crossValidate(observations, prior);
  const { ece, bins } = reliabilityOf(predictions);
  return {
    labels: observations.length,
    positives: observations.filter(({ outcome }) => outcome === 1).length,
    method: classifier.method,
    ece,
    bins: [...bins],
    positivesAtHalfCoverage: ece === null ? null : shareAtCoverage(predictions, 0.5),
  };
}

async function fit<Counts, Kept>(
  { read, prior }: AccountClassifierOptions<Counts, Kept>,
  accountId: string,
): Promise<Fit<Kept>> {
  const { observations, recent, kept } = await read(accountId);
  const classifier = fitClassifier(observations, prior);
  const scores = recent.map((features) => classifier.score(features)).toSorted((a, b) => a - b);
  return { classifier, observations, scores, kept };
}

/** Keeps the latest fit of each account: every server makes the same of the same database. */
export function createAccountClassifier<Counts, Kept>(
  options: AccountClassifierOptions<Counts, Kept>,
): AccountClassifier<Kept> {
  const fits = new Map<string, { counts: Counts; fit: Promise<Fit<Kept>> }>();
  const calibrations = new WeakMap<Fit<Kept>, Calibration>();
  const fitOf: AccountClassifier<Kept>["fitOf"] = async (accountId) => {
    const counts = await options.counts(accountId);
    const known = fits.get(accountId);
    fits.delete(accountId);
    const entry = known !== undefined && !options.isOutdated(known.counts, counts)
      ? known
      : { counts, fit: fit(options, accountId) };
    fits.set(accountId, entry);
    for (const oldest of fits.keys().take(Math.max(0, fits.size - MAX_ACCOUNTS))) fits.delete(oldest);
    entry.fit.catch(() => fits.get(accountId) === entry && fits.delete(accountId));
    return await entry.fit;
  };
  return {
    fitOf,
    async calibration(accountId) {
      const fitted = await fitOf(accountId);
      const calibration = calibrations.get(fitted) ?? calibrationOf(fitted, options.prior);
      calibrations.set(fitted, calibration);
      return calibration;
    },
  };
}
