/** What is known of a draft that says whether it will be sent, and what that is worth before anybody has acted on one. */
import type { LogisticPrior } from "../../../lib/statistics/logistic_regression.ts";
import type { JudgedDraft } from "../../store/drafts/acceptance_store.ts";
import { type AskedFor, askedFor, askedIn } from "./asked.ts";

/** What the features are taken from. */
export type FeatureSource = Pick<
  JudgedDraft,
  "prompt" | "response" | "rawConfidence" | "unsupported" | "adapter"
>;

/** An empty draft has no confidence; below this, differences say nothing. */
const MIN_CONFIDENCE = 0.01;
/** Of a draft of usual length, in UTF-16 units. */
const USUAL_LENGTH = 40;
const MAX_UNSUPPORTED = 3;

function flag(condition: boolean): number {
  return condition ? 1 : 0;
}

/** How much longer than usual, in powers of e. */
function relativeLength(text: string): number {
  return Math.log((1 + text.length) / USUAL_LENGTH);
}

/** The features of a draft, in the order of {@linkcode ACCEPTANCE_PRIOR}. */
export function featuresOf(
  { prompt, response, rawConfidence, unsupported, adapter }: FeatureSource,
): number[] {
  const asked = askedIn(prompt);
  const kind = askedFor(asked);
  const asksFor = (wanted: AskedFor) => flag(kind === wanted);
  return [
    1,
    Math.log(Math.max(rawConfidence, MIN_CONFIDENCE)),
    relativeLength(response),
    Math.min(unsupported?.length ?? 0, MAX_UNSUPPORTED),
    flag(adapter !== null),
    flag(/[?？]/.test(asked)),
    relativeLength(asked),
    asksFor("code"),
    asksFor("opinion"),
    asksFor("commitment"),
    asksFor("fact"),
  ];
}

/** See docs/training.md: fitted on drafts for people of a public corpus, in `research/calibration`. */
export const ACCEPTANCE_PRIOR: LogisticPrior = {
  weights: [-0.2, 0.1, -0.2, -2.3, 0, -0.1, 0.1, 0, -0.6, -0.2, 0.7],
  // Every person, and every model, has a rate of their own: it moves with the first dozen labels, the rest with hundreds.
  precisions: [3, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100],
};
