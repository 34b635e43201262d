/** How drafts are sampled: what was compared on the development people, and what is used for the measured ones. */
import type { DraftSampling } from "../../tests/support/ml/draft_writer.ts";

/** Frozen before anything of the measured people was drafted. */
export const SAMPLING: DraftSampling = { temperature: 1, topP: 1, topK: 0, minP: 0.05, repeatPenalty: 1 };

/** By name; the first is what ml has by default. */
export const COMPARED: Readonly<Record<string, DraftSampling>> = {
  "0.7, as ml's default": {},
  "0.7": { ...SAMPLING, temperature: 0.7 },
  "1.0": SAMPLING,
  "1.0, min-p 0.1": { ...SAMPLING, minP: 0.1 },
};
