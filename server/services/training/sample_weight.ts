/** How much a sample weighs in training, by how far the draft was from what the person sent (docs/training.md, "Weights"). */
import { relativeEditDistance } from "../../../lib/edit_distance.ts";

/** A pair whose texts differ only where they are not compared still says something. */
const LEAST_PAIR_WEIGHT = 0.01;

/**
 * Of a reply that was sent where a draft was: 0.5 for the draft as it was, up to 1 for a reply that has nothing of it. Capitals,
 * punctuation and line breaks count: they are part of a voice.
 */
export function replyWeight(draft: string, sent: string): number {
  return (1 + relativeEditDistance(draft, sent)) / 2;
}

/** Of a pair: the share of the draft that was changed. */
export function pairWeight(draft: string, sent: string): number {
  return Math.max(relativeEditDistance(draft, sent), LEAST_PAIR_WEIGHT);
}
