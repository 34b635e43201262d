/** The checks of the agent that runs and of the service that keeps it running. */
import type { AgentState, RunningAgent } from "../run/agent_state.ts";
import type { ServiceStatus } from "../service/agent_service.ts";
import { fault, type Finding, ok, SETTINGS_PANES } from "./finding.ts";

/** Only the agent itself can say: the permission of a terminal is not that of a service. */
function denied(program: string): Finding {
  return fault("agent", {
    status: "failure",
    message: "The running agent may not read the Messages database, whatever this terminal may",
    fix: `Allow Full Disk Access for ${program}, then run \`agent service install\` to restart it`,
    pane: SETTINGS_PANES.fullDiskAccess,
  });
}

/** `14:03`, in this machine's time zone. */
function timeText(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 5);
}

function stateFinding({ lastError, lagRows, nextTryAt }: AgentState, program: string): Finding {
  if (lastError?.code === "permission_denied") return denied(program);
  if (lastError !== null) {
    const retry = nextTryAt === null ? "" : `. It retries at ${timeText(nextTryAt)}`;
    return fault("agent", {
      status: "failure",
      message: `The agent hit an error: ${lastError.message}${retry}`,
      fix: lastError.fix ?? "Read the last lines of the agent's log",
    });
  }
  const rows = lagRows ?? 0;
  const waiting = rows === 0
    ? "everything is sent"
    : rows === 1
    ? "1 row is waiting"
    : `${rows} rows are waiting`;
  return ok("agent", `The agent runs, and ${waiting}`);
}

/**
 * Asks the agent that runs; one that does not run is no finding.
 *
 * @param program what a permission for the service is given to
 */
export function checkAgent({ running, state }: RunningAgent, program: string): Finding[] {
  return running && state !== null ? [stateFinding(state, program)] : [];
}

const INSTALL = "Run `agent service install`";

function checkJob({ job, logPath }: ServiceStatus): Finding {
  if (job === null) {
    return fault("service", {
      status: "failure",
      message: "The service is installed but not loaded",
      fix: INSTALL,
    });
  }
  if (job.pid === null) {
    const end = job.lastExitCode === null ? "" : `; its last exit code was ${job.lastExitCode}`;
    return fault("service", {
      status: "failure",
      message: `The service is loaded but not running${end}`,
      fix: `Read the last lines of ${logPath}`,
    });
  }
  return ok("service", `The service runs as process ${job.pid}`);
}

/** Judges the service. One that is not installed is the person's choice, but then the agent runs only by hand. */
export function checkService(status: ServiceStatus): Finding {
  if (status.installation === "none") {
    return fault("service", {
      status: "warning",
      message: "The service is not installed, so messages are sent only while you run the agent",
      fix: INSTALL,
    });
  }
  if (status.isDisabled) {
    return fault("service", {
      status: "failure",
      message: "The service is switched off",
      fix: "Switch it on in the list of what may run in the background",
      pane: SETTINGS_PANES.loginItems,
    });
  }
  if (status.installation === "outdated") {
    return fault("service", {
      status: "warning",
      message: "The service was installed with other settings, or for a program at another place",
      fix: `${INSTALL} again`,
    });
  }
  return checkJob(status);
}
