/**
 * Measures how well the server says whether a message will be answered, by a replay: people of a corpus, their conversations in
 * the order of time, and each message predicted from what the person had and had not answered before it.
 *
 * `deno run -A research/calibration/trigger_bench.ts`: a few minutes, without a model.
 */
import { percent, tableLines } from "../../bench/support/bench_output.ts";
import { type Corpus, readCorpus } from "../../demo/corpus.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { fitClassifier } from "../../lib/statistics/calibrated_classifier.ts";
import { type Prediction, reliabilityOf } from "../../lib/statistics/reliability.ts";
import {
  type HeardMessage,
  type PastRun,
  readRuns,
  TRIGGER_PRIOR,
} from "../../server/services/trigger/answered_runs.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import { areaUnderCurve } from "../style/style_auc.ts";

/** As many as the server's latest 5,000 messages of an account may have. */
const MAX_RUNS = 1_500;
const MIN_RUNS = 500;
/** What is predicted first: with less history there is nothing to learn from. */
const FIRST = 50;
/** As on the server, a fit is used until so large a share is new. */
const NEW_SHARE = 0.05;

type Bubble = Corpus[string]["messages"][number][number];

function messageOf({ text, timestamp, sender }: Bubble, owner: string): HeardMessage {
  const isOwn = sender === owner;
  return {
    imessageGuid: "",
    replyToGuid: null,
    direction: isOwn ? "outgoing" : "incoming",
    messageType: "text",
    senderId: isOwn ? null : sender,
    text,
    retractedAt: null,
    sentAt: new Date(timestamp),
  };
}

/** Each person's runs, by the time of their last message, from all conversations with one other person. */
function runsByPerson(corpus: Corpus): Map<string, PastRun[]> {
  const runs = new Map<string, PastRun[]>();
  for (const { messages } of Object.values(corpus)) {
    const bubbles = messages.flat().toSorted((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
    const people = new Set(bubbles.map(({ sender }) => sender));
    if (people.size !== 2) continue;
    for (const owner of people) {
      const heard = bubbles.map((bubble) => messageOf(bubble, owner));
      const found = readRuns(heard, { isGroup: false, nowMs: Infinity });
      runs.set(owner, [...runs.get(owner) ?? [], ...found.runs]);
    }
  }
  return new Map(
    [...runs].map(([person, some]) => [person, some.toSorted((a, b) => a.atMs - b.atMs)] as const),
  );
}

/** Each run but the first ones, predicted from those before it. `width` features at most. */
function replay(runs: readonly PastRun[], width?: number): Prediction[] {
  const known = runs.map((run) => ({ ...run, features: run.features.slice(0, width) }));
  const prior = {
    weights: TRIGGER_PRIOR.weights.slice(0, width),
    precisions: TRIGGER_PRIOR.precisions.slice(0, width),
  };
  let fittedOn = 0;
  let classifier = fitClassifier([], prior);
  return known.flatMap(({ features, outcome }, index) => {
    if (index < FIRST) return [];
    if (index - fittedOn > NEW_SHARE * fittedOn) {
      classifier = fitClassifier(known.slice(0, index), prior);
      fittedOn = index;
    }
    return [{ probability: classifier.probability(features), outcome }];
  });
}

function areaOf(predictions: readonly Prediction[]): number {
  const of = (wanted: number) =>
    predictions.filter(({ outcome }) => outcome === wanted).map(({ probability }) => probability);
  return areaUnderCurve(of(1), of(0));
}

/** The share that was answered of the likelier half. */
function halfOf(predictions: readonly Prediction[]): number {
  const best = predictions.toSorted((a, b) => b.probability - a.probability)
    .slice(0, Math.ceil(predictions.length / 2));
  return answeredOf(best);
}

function answeredOf(predictions: readonly Prediction[]): number {
  return predictions.reduce((sum, { outcome }) => sum + outcome, 0) / predictions.length;
}

function rowOf(name: string, predictions: readonly Prediction[], rate: readonly Prediction[]): string[] {
  return [
    name,
    String(predictions.length),
    percent(answeredOf(predictions)),
    percent(halfOf(predictions)),
    areaOf(predictions).toFixed(2),
    (reliabilityOf(predictions).ece ?? NaN).toFixed(3),
    (reliabilityOf(rate).ece ?? NaN).toFixed(3),
  ];
}

const HEAD = ["person", "runs", "answered", "of the likelier half", "AUC", "ECE", "ECE of the mean rate"];

await runMain(async () => {
  // The prior was chosen on every second of them: the others are measured.
  const people = [...runsByPerson(await readCorpus(DATA_DIR))].filter(([, runs]) => runs.length >= MIN_RUNS)
    .toSorted(([a], [b]) => a < b ? -1 : 1).filter((_, index) => index % 2 === 1)
    .map(([id, all]) => {
      const runs = all.slice(0, MAX_RUNS);
      return { id: id.slice(0, 8), all: replay(runs), rate: replay(runs, 1) };
    });
  const pooled = rowOf("all", people.flatMap(({ all }) => all), people.flatMap(({ rate }) => rate));
  const rows = people.map(({ id, all, rate }) => rowOf(id, all, rate));
  for (const line of tableLines(HEAD, [...rows, pooled])) writeLine(line);
});
