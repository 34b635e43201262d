/** How each conversation is drafted for: never, on request, or automatically. Nothing is ever sent automatically. */
import type { Conversation } from "../../contract/conversations.ts";
import { lossOf } from "../state/agent_database.ts";
import type { AgentStore } from "../state/agent_store.ts";
import { SUGGESTION_MODES, type SuggestionMode } from "../state/stored_values.ts";

export { SUGGESTION_MODES, type SuggestionMode };

/** By the server's id of the conversation, which belongs to one account and names nobody. */
export type ConversationPolicies = Readonly<Record<string, SuggestionMode>>;

const DEFAULT_MODE: SuggestionMode = "on_demand";

/** The mode that a word names; null for a word that names none. */
export function suggestionModeOf(word: string): SuggestionMode | null {
  return SUGGESTION_MODES.find((mode) => mode === word) ?? null;
}

/** The mode of each conversation. What cannot be read may have said "off": then everything is. */
export interface PolicyBook {
  readonly modes: ConversationPolicies;
  readonly isBroken: boolean;
  modeOf(conversationId: string): SuggestionMode;
}

/**
 * The mode of a conversation by what was chosen on this Mac and on the server's page: `off` on either side means off, then
 * `automatic` on either side means automatic.
 */
export function modeFor(
  policies: PolicyBook,
  { id, drafting = DEFAULT_MODE }: Pick<Conversation, "id" | "drafting">,
): SuggestionMode {
  const chosen = [policies.modeOf(id), drafting];
  return chosen.find((mode) => mode === "off") ?? chosen.find((mode) => mode === "automatic") ?? DEFAULT_MODE;
}

/** Reads the policies. */
export function loadPolicies(store: AgentStore): PolicyBook {
  return store.read(
    (database) =>
      policyBook(database.values("conversation_policies").all(), lossOf(database, "policies") !== null),
    () => policyBook(new Map(), true),
  );
}

/** Sets the mode of one conversation. Where policies were lost, this is a new beginning. */
export function savePolicy(
  store: AgentStore,
  { conversationId, mode }: { conversationId: string; mode: SuggestionMode },
): void {
  store.write((database) => {
    database.values("lost_state").delete("policies");
    database.values("conversation_policies").put(conversationId, mode);
  });
}

function policyBook(known: ReadonlyMap<string, SuggestionMode>, isBroken: boolean): PolicyBook {
  const modeOf = (id: string) => known.get(id) ?? (isBroken ? "off" : DEFAULT_MODE);
  return { modes: Object.fromEntries(known), isBroken, modeOf };
}
