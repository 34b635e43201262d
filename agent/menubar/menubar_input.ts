/** Everything the menubar's view is computed from. */
import type { Finding } from "../doctor/finding.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { AgentState } from "../run/agent_state.ts";

/** How the login service stands: `paused` is installed but not loaded. */
export type ServiceMode = "none" | "paused" | "loaded";

/** A reply that was recorded as the person's answer, but certainly not sent. Its words cannot change any more. */
export interface UnsentReply {
  readonly suggestion: Suggestion;
  readonly text: string;
}

/** What came of the last click, in a sentence. */
export interface Notice {
  readonly text: string;
  /** Unix time. */
  readonly atMs: number;
}

/** Everything that the view is made of. */
export interface MenubarInput {
  /** What the agent wrote down last; null when it never ran. */
  readonly agent: AgentState | null;
  /** True while a process does the agent's work, so that `agent` is of now. */
  readonly isRunning: boolean;
  readonly service: ServiceMode;
  /** True when this Mac has a pairing with the server, whether or not it still holds. */
  readonly isPaired: boolean;
  readonly serverUrl: string;
  /** The code of a pairing that waits for approval. */
  readonly pairingCode: string | null;
  /** Drafts that wait for the person, newest first. */
  readonly suggestions: readonly Suggestion[];
  readonly unsent: readonly UnsentReply[];
  /** Names of people by their address, as the address book has them. */
  readonly names: ReadonlyMap<string, string>;
  /** What the doctor found when it was last asked; null before. */
  readonly findings: readonly Finding[] | null;
  readonly notice: Notice | null;
  /** What is under way: the id of a draft that is being acted on, or `doctor`; null when nothing is. */
  readonly busy: string | null;
  /** The present, in Unix time. */
  readonly nowMs: number;
}

/** What is known, apart from the time. */
export type MenubarFacts = Omit<MenubarInput, "nowMs">;

/** Before the first look. Nobody is asked to pair, or to do anything else, before something is known. */
export const EMPTY_INPUT: MenubarFacts = {
  agent: null,
  isRunning: false,
  service: "none",
  isPaired: true,
  serverUrl: "",
  pairingCode: null,
  suggestions: [],
  unsent: [],
  names: new Map(),
  findings: null,
  notice: null,
  busy: null,
};
