/** Whether a draft was sent with at most small changes, by what the person did with it, or sent in its place. */
import { relativeEditDistance } from "../../../lib/edit_distance.ts";
import type { JudgedDraft } from "../../store/drafts/acceptance_store.ts";

/** The share of its letters and digits that may differ in what was sent: a word in a sentence, not another sentence. */
const SMALL_CHANGE = 0.2;
/** Capitals, punctuation and line breaks are no change: they are what a person adds in passing. */
function comparedText(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/[\p{P}\s]+/gu, " ").trim();
}

/** How far a text differs from a draft: 0 for the same words, 1 for none in common. */
export function changeOf(draft: string, sent: string): number {
  return relativeEditDistance(comparedText(draft), comparedText(sent));
}

/** True for a text that is the draft with at most small changes. */
export function isSmallChange(draft: string, sent: string): boolean {
  return changeOf(draft, sent) <= SMALL_CHANGE;
}

/** What was sent after a draft's message, and when. */
export interface SentInstead {
  readonly text: string | null;
  readonly sentAt: Date;
}

/**
 * 1 for a draft that was sent with at most small changes, 0 for one that was not; undefined while nobody knows: nothing
 * was done with it, and nothing was sent since it was there.
 */
export function outcomeOf(draft: JudgedDraft, sent: SentInstead | null): 0 | 1 | undefined {
  const { action, response, editedResponse, completedAt } = draft;
  if (response.trim() === "") return undefined;
  if (action === "accept") return 1;
  if (action === "reject") return 0;
  if (action === "edit") return isSmallChange(response, editedResponse ?? "") ? 1 : 0;
  if (sent === null || sent.text === null || completedAt === null || sent.sentAt < completedAt) {
    return undefined;
  }
  return isSmallChange(response, sent.text) ? 1 : 0;
}
