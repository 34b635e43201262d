/** Owns the check of the permission to control Messages, which only sending needs. */
import type { AutomationAccess, MessagesApp } from "../platform/messages_app.ts";
import { fault, type FaultOptions, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

const FAULTS: Record<Exclude<AutomationAccess, "allowed">, Omit<FaultOptions, "status">> = {
  denied: {
    message: "The agent may not control Messages, so it cannot send replies",
    remedy: "allow Messages under the program that runs the agent",
    pane: SETTINGS_PANES.automation,
  },
  not_running: {
    message: "Messages is not running, so whether the agent may control it cannot be found out",
    remedy: "open Messages and run the doctor again",
  },
  unclear: {
    message: "Messages did not answer when it was asked for something harmless",
    remedy:
      "answer the question that macOS may be showing, or quit and open Messages, and run the doctor again",
  },
};

/** Asks Messages for something harmless; macOS may show its question the first time. */
export async function checkAutomation(messages: MessagesApp): Promise<Finding> {
  const access = await messages.probeAccess();
  if (access === "allowed") return ok("automation", "The agent may control Messages");
  return fault("automation", { status: "warning", ...FAULTS[access] });
}
