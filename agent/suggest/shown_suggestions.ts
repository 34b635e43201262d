/** Which suggestion the person was last shown, so that "accept" means the draft they have seen. */
import { join } from "node:path";
import { type StateFile, stateFile, textField } from "../platform/state_file.ts";
import type { Suggestion } from "./suggestion.ts";

/** Ids only: the words themselves stay on the server. */
export interface ShownSuggestion {
  readonly conversationId: string;
  readonly responseId: string;
  /** Guid of the answered message in chat.db. */
  readonly messageGuid: string;
}

/** Newest first, one for each conversation. */
export interface ShownSuggestions {
  readonly shown: readonly ShownSuggestion[];
}

const FILE = "shown_suggestions.json";
const VERSION = 1;
const MAX_SHOWN = 200;

function shownOf(value: unknown): ShownSuggestion {
  if (typeof value !== "object" || value === null) {
    throw new TypeError("A shown suggestion must be an object");
  }
  const fields = value as Record<string, unknown>;
  return {
    conversationId: textField(fields, "conversationId"),
    responseId: textField(fields, "responseId"),
    messageGuid: textField(fields, "messageGuid"),
  };
}

/** The shown suggestions of a data folder. */
export function shownStore(dataDir: string): StateFile<ShownSuggestions> {
  return stateFile({
    path: join(dataDir, FILE),
    version: VERSION,
    parse: ({ shown }) => {
      if (!Array.isArray(shown)) throw new TypeError("Shown suggestions must be a list");
      return { shown: shown.map(shownOf) };
    },
  });
}

async function loadShown(store: StateFile<ShownSuggestions>): Promise<readonly ShownSuggestion[]> {
  const stored = await store.load();
  return stored.kind === "found" ? stored.state.shown : [];
}

/** Remembers that a suggestion was shown. */
export async function rememberShown(
  store: StateFile<ShownSuggestions>,
  { conversation, responseId, message }: Suggestion,
): Promise<void> {
  const entry = { conversationId: conversation.id, responseId, messageGuid: message.imessageGuid };
  const others = (await loadShown(store)).filter(({ conversationId }) => conversationId !== conversation.id);
  await store.save({ shown: [entry, ...others].slice(0, MAX_SHOWN) });
}

/** The suggestion that was shown last, of a conversation or of all; null when there is none. */
export async function lastShown(
  store: StateFile<ShownSuggestions>,
  conversationId: string | null,
): Promise<ShownSuggestion | null> {
  const shown = await loadShown(store);
  return shown.find((entry) => conversationId === null || entry.conversationId === conversationId) ?? null;
}
