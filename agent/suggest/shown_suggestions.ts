/** Which suggestion the person was last shown, so that "accept" means the draft they have seen. */
import type { AgentStore } from "../state/agent_store.ts";
import type { ShownSuggestion } from "../state/stored_values.ts";
import type { Suggestion } from "./suggestion.ts";

/** One for each conversation, the newest last. */
const MAX_SHOWN = 200;

/** Remembers that a suggestion was shown. */
export function rememberShown(
  store: AgentStore,
  { conversation: { id }, responseId, message }: Suggestion,
): void {
  store.write((database) => {
    const shown = database.values("shown_suggestions");
    shown.delete(id);
    shown.put(id, { conversationId: id, responseId, messageGuid: message.imessageGuid });
    shown.keepNewest(MAX_SHOWN);
  });
}

/** The suggestion that was shown last, of a conversation or of all; null when there is none. */
export function lastShown(store: AgentStore, conversationId: string | null): ShownSuggestion | null {
  return store.read((database) => {
    const shown = database.values("shown_suggestions");
    return conversationId === null ? [...shown.all().values()].at(-1) ?? null : shown.get(conversationId);
  }, () => null);
}
