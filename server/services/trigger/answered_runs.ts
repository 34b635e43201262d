/**
 * Finds in a conversation what others wrote in a row, whether the person answered it, and what was known of it before: the
 * labels and features of whether a message waits for a reply. No model is needed for any of it.
 */
import { type JudgedMessage, roleOf } from "../../../contract/messages/waiting.ts";
import type { LogisticPrior, Observation } from "../../../lib/statistics/logistic_regression.ts";
import { askedFor, isAcknowledgement } from "../acceptance/asked.ts";

/** What comes later than this after a message is hardly an answer to it; what follows later begins another talk. */
export const ANSWER_MS = 6 * 3_600_000;
/** A message of one's own is looked for among so many before the one that replies to it. */
const LOOKED_BACK = 10;

/** A message, as far as it matters here. */
export interface HeardMessage extends JudgedMessage {
  readonly imessageGuid: string;
  readonly replyToGuid: string | null;
  readonly sentAt: Date;
}

/** How the person has answered in a conversation so far. */
export interface Habit {
  readonly runs: number;
  readonly answered: number;
  /** Null before the first. */
  readonly answeredLast: boolean | null;
  /** When the person wrote last, in Unix time; null for never. */
  readonly ownAtMs: number | null;
}

export const NO_HABIT: Habit = { runs: 0, answered: 0, answeredLast: null, ownAtMs: null };

/** Messages of others in a row, and what was there before. */
export interface Run {
  /** Oldest first; at least one. */
  readonly messages: readonly HeardMessage[];
  readonly isGroup: boolean;
  /** Of the person's latest messages before. */
  readonly ownGuids: readonly string[];
  readonly habit: Habit;
}

/** A run that was answered, or not any more. */
export interface PastRun extends Observation {
  readonly atMs: number;
}

const HOUR_MS = 3_600_000;
/** An hour that is as long ago as ever. */
const LONG_HOURS = 168;
const USUAL_LENGTH = 40;

function flag(condition: boolean): number {
  return condition ? 1 : 0;
}

/** From 0 for just now to 1 for a week or more. */
function distanceOf(ms: number): number {
  return Math.min(1, Math.log1p(Math.max(0, ms) / HOUR_MS) / Math.log1p(LONG_HOURS));
}

/** The features of a run, in the order of {@linkcode TRIGGER_PRIOR}. */
export function runFeatures({ messages, isGroup, ownGuids, habit }: Run): number[] {
  const text = messages.map((message) => message.text ?? "").join("\n");
  const atMs = messages.at(-1)?.sentAt.getTime() ?? 0;
  const isReply = messages.some(({ replyToGuid }) => replyToGuid !== null && ownGuids.includes(replyToGuid));
  const { runs, answered, answeredLast, ownAtMs } = habit;
  const angle = 2 * Math.PI * (atMs % (24 * HOUR_MS)) / (24 * HOUR_MS);
  return [
    1,
    flag(/[?？]/.test(text)),
    flag(askedFor(text) !== null),
    flag(isAcknowledgement(messages.at(-1)?.text ?? "")),
    Math.log((1 + text.length) / USUAL_LENGTH),
    Math.log(messages.length),
    flag(isGroup),
    flag(isGroup && isReply),
    Math.log((1 + answered) / (1 + runs - answered)),
    answeredLast === null ? 0 : answeredLast ? 1 : -1,
    ownAtMs === null ? 1 : distanceOf(atMs - ownAtMs),
    Math.cos(angle),
    Math.sin(angle),
  ];
}

/**
 * Nothing is known before an account has a history of its own: only that no feature decides by itself. How far a few answers
 * move it was chosen on other people than it is measured on (`research/calibration/trigger_bench.ts`).
 */
export const TRIGGER_PRIOR: LogisticPrior = {
  weights: Array.from({ length: 13 }, () => 0),
  precisions: [3, ...Array.from({ length: 12 }, () => 1)],
};

/** What of the messages that wait belongs to the present talk: the last ones without a long pause between. */
export function presentRun<Message extends HeardMessage>(waiting: readonly Message[]): readonly Message[] {
  const start = waiting.findLastIndex(({ sentAt }, index) => {
    const before = waiting[index - 1];
    return before !== undefined && sentAt.getTime() - before.sentAt.getTime() > ANSWER_MS;
  });
  return waiting.slice(Math.max(start, 0));
}

/** Reads a conversation message by message. */
class RunReader {
  readonly runs: PastRun[] = [];
  habit = NO_HABIT;
  #waiting: HeardMessage[] = [];
  #ownGuids: string[] = [];
  readonly #isGroup: boolean;

  constructor(isGroup: boolean) {
    this.#isGroup = isGroup;
  }

  /** A message, and the texts before it. */
  read(message: HeardMessage, before: readonly (string | null)[]): void {
    const atMs = message.sentAt.getTime();
    this.endTalk(atMs);
    const role = roleOf(message, before);
    if (message.direction === "incoming") {
      if (role === "words") this.#waiting.push(message);
    } else if (role === "words" || role === "wordless" || role === "reaction") {
      // A reaction ends the matter without words.
      this.#end(role !== "reaction");
      this.#ownGuids = [...this.#ownGuids, message.imessageGuid].slice(-LOOKED_BACK);
      this.habit = { ...this.habit, ownAtMs: atMs };
    }
  }

  /** By then, what waits for too long was not answered. */
  endTalk(atMs: number): void {
    const last = this.#waiting.at(-1);
    if (last !== undefined && atMs - last.sentAt.getTime() > ANSWER_MS) this.#end(false);
  }

  #end(isAnswered: boolean): void {
    const [messages, habit] = [this.#waiting, this.habit];
    const last = messages.at(-1);
    if (last === undefined) return;
    const run = { messages, isGroup: this.#isGroup, ownGuids: this.#ownGuids, habit };
    this.runs.push({ features: runFeatures(run), outcome: flag(isAnswered), atMs: last.sentAt.getTime() });
    this.habit = {
      ...habit,
      runs: habit.runs + 1,
      answered: habit.answered + flag(isAnswered),
      answeredLast: isAnswered,
    };
    this.#waiting = [];
  }
}

/**
 * The runs of one conversation that were answered within six hours or not, and the person's habit after them; what waits
 * still is none.
 *
 * @param messages oldest first
 */
export function readRuns(
  messages: readonly HeardMessage[],
  { isGroup, nowMs }: { isGroup: boolean; nowMs: number },
): { runs: readonly PastRun[]; habit: Habit } {
  const reader = new RunReader(isGroup);
  const texts = messages.map(({ text }) => text);
  for (const [index, message] of messages.entries()) {
    reader.read(message, texts.slice(Math.max(0, index - LOOKED_BACK), index));
  }
  reader.endTalk(nowMs);
  return { runs: reader.runs, habit: reader.habit };
}
