/** Owns the check of the service that keeps the agent running. */
import type { ServiceStatus } from "../service/agent_service.ts";
import { fault, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

const INSTALL = "run `agent service install`";

function checkJob({ job, logPath }: ServiceStatus): Finding {
  if (job === null) {
    return fault("service", {
      status: "failure",
      message: "The service is installed but not loaded",
      remedy: INSTALL,
    });
  }
  if (job.pid === null) {
    const end = job.lastExitCode === null ? "" : `, and ended last with code ${job.lastExitCode}`;
    return fault("service", {
      status: "failure",
      message: `The service is loaded but does not run${end}`,
      remedy: `read the last lines of ${logPath}`,
    });
  }
  return ok("service", `The service runs as process ${job.pid}`);
}

/** Judges the service. One that is not installed is the person's choice, but the agent then only works by hand. */
export function checkService(status: ServiceStatus): Finding {
  if (status.installation === "none") {
    return fault("service", {
      status: "warning",
      message: "The service is not installed, so messages are only sent while you run the agent",
      remedy: INSTALL,
    });
  }
  if (status.isDisabled) {
    return fault("service", {
      status: "failure",
      message: "The service is switched off",
      remedy: "switch it on in the list of what may run in the background",
      pane: SETTINGS_PANES.loginItems,
    });
  }
  if (status.installation === "outdated") {
    return fault("service", {
      status: "warning",
      message: "The service was installed with other settings, or for a program at another place",
      remedy: `${INSTALL} to install it anew`,
    });
  }
  return checkJob(status);
}
