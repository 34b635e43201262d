/** Owns the drafts that wait for the person: finished, not acted on, and still answers to the newest word. */
import type { DraftClient } from "../clients/draft_client.ts";
import type { PolicyBook } from "./conversation_policies.ts";
import { findUnanswered, isOpenDraft, type Suggestion, suggestionOf } from "./suggestion.ts";

/** Newest drafts that are looked at: older ones have been overtaken. */
const DRAFTS_TO_LOOK_AT = 20;

/** Reads them, newest first, one for each conversation that is not off. */
export async function openSuggestions(client: DraftClient, policies: PolicyBook): Promise<Suggestion[]> {
  const { responses } = await client.drafts({ pageSize: DRAFTS_TO_LOOK_AT });
  const suggestions: Suggestion[] = [];
  const seen = new Set<string>();
  for (const draft of responses.filter(isOpenDraft)) {
    if (seen.has(draft.conversationId) || policies.modeOf(draft.conversationId) === "off") continue;
    seen.add(draft.conversationId);
    const unanswered = await findUnanswered(client, await client.conversation(draft.conversationId));
    if (unanswered === null || unanswered.message.id !== draft.messageId) continue;
    const suggestion = suggestionOf(unanswered, draft);
    if (suggestion !== null) suggestions.push(suggestion);
  }
  return suggestions;
}
