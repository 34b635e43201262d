/** How drafts are sampled: what was compared on the development people, and what is used for the measured ones. */
import { SAMPLING as DRAFT_SAMPLING } from "../../server/services/drafts/draft_generation.ts";
import type { DraftSampling } from "../../tests/support/ml/draft_writer.ts";

/** As the server asks for drafts; frozen before anything of the measured people was drafted. */
export const SAMPLING: DraftSampling = {
  temperature: 1,
  topP: DRAFT_SAMPLING.top_p,
  topK: DRAFT_SAMPLING.top_k,
  minP: DRAFT_SAMPLING.min_p,
  repeatPenalty: DRAFT_SAMPLING.repeat_penalty,
};

/** By name; the first is what ml has by default. */
export const COMPARED: Readonly<Record<string, DraftSampling>> = {
  "0.7, as ml's default": {},
  "0.7, min-p 0.05": { ...SAMPLING, temperature: 0.7, minP: 0.05 },
  "1.0, min-p 0.1": { ...SAMPLING, minP: 0.1 },
  "1.0, min-p 0.05": { ...SAMPLING, minP: 0.05 },
  "1.0, min-p 0.02": { ...SAMPLING, minP: 0.02 },
  "1.0, min-p 0": { ...SAMPLING, minP: 0 },
};
