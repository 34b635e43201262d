/** How each conversation is drafted for: never, on request, or automatically. Nothing is ever sent automatically. */
import { join } from "node:path";
import { objectField, type StateFile, stateFile } from "../platform/state_file.ts";

export const SUGGESTION_MODES = ["off", "on_demand", "automatic"] as const;
export type SuggestionMode = typeof SUGGESTION_MODES[number];

/** By the server's id of the conversation, which belongs to one account and names nobody. */
export type ConversationPolicies = Readonly<Record<string, SuggestionMode>>;

const DEFAULT_MODE: SuggestionMode = "on_demand";
const FILE = "suggestions.json";
const VERSION = 1;

/** The mode that a word names; null for a word that names none. */
export function suggestionModeOf(word: string): SuggestionMode | null {
  return SUGGESTION_MODES.find((mode) => mode === word) ?? null;
}

/** A mode that this version does not know counts as off. */
function policiesOf(fields: Record<string, unknown>): { modes: ConversationPolicies } {
  const stored = objectField(fields, "modes") ?? {};
  const modes = Object.entries(stored).map(([id, word]) => [id, suggestionModeOf(String(word)) ?? "off"]);
  return { modes: Object.fromEntries(modes) };
}

/** The policies of a data folder. */
export function policyStore(dataDir: string): StateFile<{ modes: ConversationPolicies }> {
  return stateFile({ path: join(dataDir, FILE), version: VERSION, parse: policiesOf });
}

/** The mode of each conversation. A file that cannot be read may have said "off": then everything is. */
export interface PolicyBook {
  readonly modes: ConversationPolicies;
  readonly isBroken: boolean;
  modeOf(conversationId: string): SuggestionMode;
}

/** Reads the policies. */
export async function loadPolicies(store: StateFile<{ modes: ConversationPolicies }>): Promise<PolicyBook> {
  const stored = await store.load();
  const isBroken = stored.kind === "broken";
  const modes = stored.kind === "found" ? stored.state.modes : {};
  const known = new Map(Object.entries(modes));
  return { modes, isBroken, modeOf: (id) => known.get(id) ?? (isBroken ? "off" : DEFAULT_MODE) };
}

/** Sets the mode of one conversation. A broken file is moved out of the way; the modes of other conversations are lost. */
export async function savePolicy(
  store: StateFile<{ modes: ConversationPolicies }>,
  { conversationId, mode }: { conversationId: string; mode: SuggestionMode },
): Promise<void> {
  const { modes, isBroken } = await loadPolicies(store);
  if (isBroken) await store.setAside();
  await store.save({ modes: { ...modes, [conversationId]: mode } });
}
