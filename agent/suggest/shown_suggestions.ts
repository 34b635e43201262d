/** Which suggestion the person was last shown, so that "accept" means the draft they have seen. */
import { type AgentDatabase, DamagedStateError, Values } from "../state/agent_database.ts";
import type { AgentStore } from "../state/agent_store.ts";
import { type ShownSuggestion, shownSuggestionSchema } from "../state/stored_values.ts";
import type { Suggestion } from "./suggestion.ts";

const MAX_SHOWN = 200;

/** One for each conversation, the newest last. */
function shownIn(database: AgentDatabase): Values<ShownSuggestion> {
  return new Values(database, { table: "shown_suggestions", schema: shownSuggestionSchema });
}

/** Remembers that a suggestion was shown. */
export function rememberShown(
  store: AgentStore,
  { conversation: { id }, responseId, message }: Suggestion,
): void {
  store.write((database) => {
    const shown = shownIn(database);
    shown.delete(id);
    shown.put(id, { conversationId: id, responseId, messageGuid: message.imessageGuid });
    shown.keepNewest(MAX_SHOWN);
  });
}

/** The suggestion that was shown last, of a conversation or of all; null when there is none. */
export function lastShown(store: AgentStore, conversationId: string | null): ShownSuggestion | null {
  try {
    return store.read((database) => {
      const shown = shownIn(database);
      return conversationId === null ? [...shown.all().values()].at(-1) ?? null : shown.get(conversationId);
    });
  } catch (error) {
    if (error instanceof DamagedStateError) return null;
    throw error;
  }
}
