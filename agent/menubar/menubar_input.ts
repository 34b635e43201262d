/** Owns what the menubar's view is made of. */
import type { Finding } from "../doctor/finding.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { AgentState } from "../watch/agent_state.ts";

/** How the login service stands: `paused` is installed but not loaded. */
export type ServiceMode = "none" | "paused" | "loaded";

/** Everything that the view is made of. */
export interface MenubarInput {
  /** What the agent wrote down last; null when it never ran. */
  readonly agent: AgentState | null;
  /** True while a process does the agent's work, so that `agent` is of now. */
  readonly isRunning: boolean;
  readonly service: ServiceMode;
  /** Drafts that wait for the person, newest first. */
  readonly suggestions: readonly Suggestion[];
  /** The code of a pairing that waits for approval. */
  readonly pairingCode: string | null;
  /** What the doctor found when it was last asked; null before. */
  readonly findings: readonly Finding[] | null;
  /** What came of the last click, in a sentence. */
  readonly notice: string | null;
  /** The present, in Unix time. */
  readonly nowMs: number;
}
