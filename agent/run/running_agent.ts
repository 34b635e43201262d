/** Owns the look at the agent that runs on a data folder, from another process. Changes nothing. */
import { isWorkHeld } from "../platform/instance_lock.ts";
import { type AgentState, agentStateStore } from "./agent_state.ts";

export interface RunningAgent {
  readonly running: boolean;
  /** As it was published last; null when no agent ever ran here, or its state cannot be read. */
  readonly state: AgentState | null;
}

/** Looks once. The lock tells whether an agent runs: one that was killed leaves its last state behind. */
export async function lookAtAgent(dataDir: string): Promise<RunningAgent> {
  const stored = await agentStateStore(dataDir).load();
  const running = await isWorkHeld(dataDir, "run");
  return { running, state: stored.kind === "found" ? stored.state : null };
}
