/** Says how likely a draft is to be sent with at most small changes, and whether it is one of those to suggest. */
import type { Calibration } from "../../../contract/models.ts";
import type { AbstentionReason } from "../../../contract/responses.ts";
import type { Observation } from "../../../lib/statistics/logistic_regression.ts";
import type { AcceptanceStore, JudgedCounts, JudgedDraft } from "../../store/drafts/acceptance_store.ts";
import type { AccountSettingsStore } from "../../store/account/account_settings.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import { findSentReplies } from "../drafts/sent_reply.ts";
import { createAccountClassifier, type Examples, thresholdOf } from "./account_classifier.ts";
import { askedFor, askedIn } from "./asked.ts";
import { ACCEPTANCE_PRIOR, featuresOf, type FeatureSource } from "./draft_features.ts";
import { outcomeOf, type SentInstead } from "./outcome.ts";

/** The latest drafts of an account that are learned from: with as many a fit takes about 30 ms, its cross-validation 250. */
const MAX_DRAFTS = 2_000;
/** Of those without an action, as many as what was sent instead is looked up for. */
const MAX_LOOKED_UP = 200;
/** The latest drafts whose scores say which of the next ones are the easier. */
const RECENT = 200;
/** A fit is used until so large a share of what it was fitted on is new. */
const NEW_SHARE = 0.05;

/** What is said of a draft before it is shown. */
export interface Judgement {
  readonly confidence: number;
  readonly suggested: boolean;
  readonly reason: AbstentionReason | null;
}

/** Judges a draft or one of its candidates. */
export type Judge = (draft: FeatureSource) => Judgement;

export interface AcceptanceServiceOptions {
  acceptance: AcceptanceStore;
  responses: Pick<ResponseStore, "repliesTo">;
  accountSettings: Pick<AccountSettingsStore, "read">;
}

export interface AcceptanceService {
  /** What an account has taught and chosen by now; one for all candidates of a draft. */
  judgeOf(accountId: string): Promise<Judge>;
  /** How well it does so, by cross-validation. */
  calibration(accountId: string): Promise<Calibration>;
}

async function sentInsteadOf(
  { responses }: AcceptanceServiceOptions,
  accountId: string,
  drafts: readonly JudgedDraft[],
): Promise<ReadonlyMap<string, SentInstead>> {
  const open = drafts.filter(({ action }) => action === null).slice(0, MAX_LOOKED_UP);
  const found = await findSentReplies(responses, accountId, open);
  return new Map([...found].flatMap(([id, reply]) => {
    const sentAt = reply?.messages[0]?.sentAt;
    return reply && sentAt ? [[id, { text: reply.text, sentAt: new Date(sentAt) }]] : [];
  }));
}

/** Those of a conversation beside each other, in the order of time: cross-validation keeps neighbours together. */
function inConversations(drafts: readonly JudgedDraft[]): JudgedDraft[] {
  return Map.groupBy(drafts.toReversed(), ({ conversationId }) => conversationId).values().toArray().flat();
}

async function examplesOf(options: AcceptanceServiceOptions, accountId: string): Promise<Examples<null>> {
  const drafts = await options.acceptance.latest(accountId, MAX_DRAFTS);
  const sent = await sentInsteadOf(options, accountId, drafts);
  const observations = inConversations(drafts).flatMap((draft): Observation[] => {
    const outcome = outcomeOf(draft, sent.get(draft.id) ?? null);
    return outcome === undefined ? [] : [{ features: featuresOf(draft), outcome }];
  });
  return { observations, recent: drafts.slice(0, RECENT).map(featuresOf), kept: null };
}

/** Whether drafts or actions came that matter, or any of them went. */
function isOutdated(fitted: JudgedCounts, now: JudgedCounts): boolean {
  const added = now.completed - fitted.completed + now.acted - fitted.acted;
  const isFewer = now.completed < fitted.completed || now.acted < fitted.acted;
  return isFewer || added > NEW_SHARE * Math.min(fitted.completed, MAX_DRAFTS);
}

/** Makes the service that judges drafts. */
export function createAcceptanceService(options: AcceptanceServiceOptions): AcceptanceService {
  const { fitOf, calibration } = createAccountClassifier({
    prior: ACCEPTANCE_PRIOR,
    counts: options.acceptance.counts,
    read: (accountId) => examplesOf(options, accountId),
    isOutdated,
  });
  return {
    async judgeOf(accountId) {
      const [{ classifier, scores }, { draftCoverage }] = await Promise.all([
        fitOf(accountId),
        options.accountSettings.read(accountId),
      ]);
      const threshold = thresholdOf(scores, draftCoverage);
      return (draft) => {
        const features = featuresOf(draft);
        const suggested = classifier.score(features) >= threshold;
        const reason = suggested ? null : askedFor(askedIn(draft.prompt)) ?? "unsure";
        return { confidence: classifier.probability(features), suggested, reason };
      };
    },
    calibration,
  };
}
