/**
 * Measures how well drafts say whether they will be sent: held-out replies of people of a corpus are drafted by the small
 * model, and a scripted owner sends a draft or does not.
 *
 * `deno run -A research/calibration/calibration_bench.ts`: drafting takes most of an hour on one core, and goes on where
 * it was stopped (`data/calibration`). Writes docs/reliability.svg.
 */
import { percent, tableLines } from "../../bench/support/bench_output.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { crossValidate, shareAtCoverage } from "../../lib/statistics/calibrated_classifier.ts";
import { dot, fitLogistic, type Observation, sigmoid } from "../../lib/statistics/logistic_regression.ts";
import { type Prediction, reliabilityOf } from "../../lib/statistics/reliability.ts";
import { ACCEPTANCE_PRIOR, featuresOf } from "../../server/services/acceptance/draft_features.ts";
import { isSmallChange } from "../../server/services/acceptance/outcome.ts";
import { unsupportedIn } from "../../server/services/drafts/unsupported.ts";
import { projectPath } from "../../tools/service_process.ts";
import { replay, type ReplayedDraft, wouldSend } from "./replay.ts";
import { reliabilityPlot } from "./reliability_plot.ts";

/** What is known of everybody's drafts before anything is: nothing. */
const FLAT = {
  weights: ACCEPTANCE_PRIOR.weights.map(() => 0),
  precisions: ACCEPTANCE_PRIOR.weights.map(() => 1),
};

function observationOf(draft: ReplayedDraft): Observation {
  const { prompt, text: response, confidence: rawConfidence } = draft;
  const unsupported = unsupportedIn(response, prompt);
  const features = featuresOf({ prompt, response, rawConfidence, unsupported, adapter: null });
  return { features, outcome: wouldSend(draft) ? 1 : 0 };
}

/** The three ways of saying it, for the drafts of one person. */
interface PersonPredictions {
  id: string;
  /** What ml says. */
  raw: Prediction[];
  /** Learned from all other people, as on the first day. */
  others: Prediction[];
  /** That, and the person's own labels but for those near each draft. */
  own: Prediction[];
}

function predictionsOf(id: string, drafts: readonly ReplayedDraft[]): PersonPredictions {
  const ofPerson = drafts.filter(({ person }) => person === id)
    .toSorted((a, b) => a.conversation - b.conversation);
  const others = drafts.filter(({ person }) => person !== id).map(observationOf);
  const own = ofPerson.map(observationOf);
  const weights = fitLogistic(others, FLAT);
  return {
    id,
    raw: own.map(({ outcome }, index) => ({ probability: ofPerson[index]?.confidence ?? 0, outcome })),
    others: own.map(({ features, outcome }) => ({ probability: sigmoid(dot(weights, features)), outcome })),
    own: crossValidate(own, { ...ACCEPTANCE_PRIOR, weights }),
  };
}

const ARMS = {
  "what ml says": "raw",
  "learned from others": "others",
  "and from own labels": "own",
} as const;

/** The share sent of the likelier half of each person's drafts. */
function halfOf(people: readonly PersonPredictions[], arm: "raw" | "others" | "own"): number {
  const counts = people.map((person) => ({
    share: shareAtCoverage(person[arm], 0.5) ?? 0,
    count: person[arm].length,
  }));
  return counts.reduce((sum, { share, count }) => sum + share * count, 0) /
    counts.reduce((sum, { count }) => sum + count, 0);
}

function armTable(people: readonly PersonPredictions[]): string[] {
  const rows = Object.entries(ARMS).map(([name, arm]) => {
    const all = people.flatMap((person) => person[arm]);
    const { ece } = reliabilityOf(all);
    return [
      name,
      (ece ?? NaN).toFixed(3),
      percent(shareAtCoverage(all, 1) ?? NaN),
      percent(halfOf(people, arm)),
    ];
  });
  return tableLines(["", "ECE", "sent of all", "sent of the likelier half"], rows);
}

function personTable(people: readonly PersonPredictions[]): string[] {
  const rows = people.map((person) => [
    person.id,
    String(person.own.length),
    percent(shareAtCoverage(person.own, 1) ?? NaN),
    percent(shareAtCoverage(person.raw, 0.5) ?? NaN),
    percent(shareAtCoverage(person.others, 0.5) ?? NaN),
    percent(shareAtCoverage(person.own, 0.5) ?? NaN),
  ]);
  return tableLines(["person", "drafts", "sent of all", "half by ml", "half by others", "half by own"], rows);
}

function print(lines: readonly string[]): void {
  writeLine("");
  for (const line of lines) writeLine(line);
}

await runMain(async () => {
  const drafts = await replay();
  const people = [...new Set(drafts.map(({ person }) => person))].map((id) => predictionsOf(id, drafts));
  const same = drafts.filter(({ text, reply }) => isSmallChange(text, reply)).length;
  print([
    `${drafts.length} drafts for ${people.length} people; ${same} are the real answer with small changes.`,
  ]);
  const [chosenOn, others] = [
    people.filter((_, index) => index % 2 === 0),
    people.filter((_, index) => index % 2 === 1),
  ];
  print(["The six people on whom the precisions of the prior were chosen, the six others, and all:"]);
  for (const some of [chosenOn, others, people]) print(armTable(some));
  print(personTable(people));
  const weights = fitLogistic(drafts.map(observationOf), FLAT).map((weight) => weight.toFixed(1));
  print([`Weights from all of them: ${weights.join(", ")}`]);
  const curves = Object.entries(ARMS).map(([name, arm]) =>
    [name, reliabilityOf(people.flatMap((person) => person[arm])).bins] as const
  );
  await Deno.writeTextFile(projectPath("docs/reliability.svg"), reliabilityPlot(Object.fromEntries(curves)));
});
