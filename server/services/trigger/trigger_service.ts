/** Says how likely the person is to answer what waits in a conversation, and whether a draft is to be made by itself. */
import { messagesToAnswer } from "../../../contract/messages/waiting.ts";
import type { Calibration } from "../../../contract/models.ts";
import type { AccountSettingsStore } from "../../store/account/account_settings.ts";
import type { MessageHistoryStore } from "../../store/messages/message_history.ts";
import type { Conversation, Message } from "../../store/schema.ts";
import { createAccountClassifier, type Examples, thresholdOf } from "../acceptance/account_classifier.ts";
import {
  type Habit,
  NO_HABIT,
  type PastRun,
  presentRun,
  readRuns,
  runFeatures,
  TRIGGER_PRIOR,
} from "./answered_runs.ts";

/** The latest messages of an account that are learned from. */
const MAX_MESSAGES = 5_000;
/** The latest runs whose scores say which of the next ones are likelier to be answered than usual. */
const RECENT = 200;
/** A fit is used until so large a share of what it was fitted on is new, or it is this old. */
const NEW_SHARE = 0.05;
const MAX_AGE_MS = 3_600_000;

/** What is said of a conversation in which something waits. */
export interface Expectation {
  readonly replyProbability: number;
  readonly replyExpected: boolean;
}

/** Judges a conversation by its newest messages, newest first; null where nothing waits. */
export type ReplyJudge = (
  conversation: Pick<Conversation, "id" | "isGroup">,
  newest: readonly Message[],
) => Expectation | null;

export interface TriggerServiceOptions {
  messageHistory: MessageHistoryStore;
  accountSettings: Pick<AccountSettingsStore, "read">;
  now: () => Date;
}

export interface TriggerService {
  /** What an account has taught and chosen by now. */
  judgeOf(accountId: string): Promise<ReplyJudge>;
  /** How well it does so, by cross-validation. */
  calibration(accountId: string): Promise<Calibration>;
}

interface Counts {
  readonly messages: number;
  readonly atMs: number;
}

/** By the conversation's id. */
type Habits = ReadonlyMap<string, Habit>;

async function examplesOf(
  { messageHistory, now }: TriggerServiceOptions,
  accountId: string,
): Promise<Examples<Habits>> {
  const messages = (await messageHistory.latest(accountId, MAX_MESSAGES)).toReversed();
  const habits = new Map<string, Habit>();
  const observations: PastRun[] = [];
  for (const [id, some] of Map.groupBy(messages, ({ conversationId }) => conversationId)) {
    const isGroup = some[0]?.isGroup ?? false;
    const { runs, habit } = readRuns(some, { isGroup, nowMs: now().getTime() });
    observations.push(...runs);
    habits.set(id, habit);
  }
  const latest = observations.toSorted((a, b) => b.atMs - a.atMs).slice(0, RECENT);
  return { observations, recent: latest.map(({ features }) => features), kept: habits };
}

/** What was answered changes with time as well, and one that came may stand for one that went. */
function isOutdated(fitted: Counts, now: Counts): boolean {
  const isFewer = now.messages < fitted.messages;
  const added = now.messages - fitted.messages;
  return isFewer || added > NEW_SHARE * fitted.messages || now.atMs - fitted.atMs > MAX_AGE_MS;
}

/** Makes the service that says what waits for a reply. */
export function createTriggerService(options: TriggerServiceOptions): TriggerService {
  const { messageHistory, accountSettings, now } = options;
  const { fitOf, calibration } = createAccountClassifier<Counts, Habits>({
    prior: TRIGGER_PRIOR,
    counts: async (accountId) => ({
      messages: await messageHistory.count(accountId),
      atMs: now().getTime(),
    }),
    read: (accountId) => examplesOf(options, accountId),
    isOutdated,
  });
  return {
    async judgeOf(accountId) {
      const [{ classifier, scores, kept: habits }, { automaticCoverage }] = await Promise.all([
        fitOf(accountId),
        accountSettings.read(accountId),
      ]);
      const threshold = thresholdOf(scores, automaticCoverage);
      return ({ id, isGroup }, newest) => {
        const messages = presentRun(messagesToAnswer(newest));
        if (messages.length === 0) return null;
        const own = newest.filter(({ direction }) => direction === "outgoing");
        const known = habits.get(id) ?? NO_HABIT;
        const habit = { ...known, ownAtMs: own[0]?.sentAt.getTime() ?? known.ownAtMs };
        const ownGuids = own.map(({ imessageGuid }) => imessageGuid);
        const features = runFeatures({ messages, isGroup, ownGuids, habit });
        return {
          replyProbability: classifier.probability(features),
          replyExpected: classifier.score(features) >= threshold,
        };
      };
    },
    calibration,
  };
}
