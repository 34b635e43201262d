/** Owns the check of the agent that runs: what it says of itself, with its own permissions and not this process's. */
import type { AgentState } from "../run/agent_state.ts";
import type { RunningAgent } from "../run/running_agent.ts";
import { fault, faultOfSentence, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

/** The permission of a terminal tells nothing of that of a service, so only the agent itself can say. */
function denied(program: string): Finding {
  return fault("agent", {
    status: "failure",
    message: "The running agent may not read the Messages database, whatever this terminal may",
    remedy: `allow Full Disk Access for ${program}, then run \`agent service install\` to start it again`,
    pane: SETTINGS_PANES.fullDiskAccess,
  });
}

function stateFinding({ lastError, lagRows }: AgentState, program: string): Finding {
  if (lastError?.code === "permission_denied") return denied(program);
  if (lastError !== null) {
    return faultOfSentence("agent", {
      status: "failure",
      sentence: `The running agent is set back. ${lastError.message}`,
    });
  }
  const waiting = (lagRows ?? 0) === 0 ? "nothing waits" : `${lagRows} rows wait`;
  return ok("agent", `The agent runs, and ${waiting} to be sent`);
}

/**
 * Asks the agent that runs; one that does not run has nothing to say.
 *
 * @param program what a permission for the service is given to
 */
export function checkAgent({ running, state }: RunningAgent, program: string): Finding[] {
  return running && state !== null ? [stateFinding(state, program)] : [];
}
