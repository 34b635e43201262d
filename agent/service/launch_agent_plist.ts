/** The agent's property list: what launchd runs, when it restarts it, and where its output goes. */
import { launchdPlist, type ServiceSpec } from "../../lib/service/launchd_plist.ts";

/** The service's name for launchd, and its file's name: a name that changes would lose the person's choices. */
export const SERVICE_LABEL = "app.conversation-assistant.agent";

/**
 * The property list of the agent's service.
 *
 * It is started again unconditionally: the agent stays alive when a permission is missing, so an end is always a fault. Its
 * session is the one at the screen, the only one in which Messages can be scripted.
 */
export function launchAgentPlist(spec: ServiceSpec): string {
  return launchdPlist(spec, { label: SERVICE_LABEL, session: "Aqua" });
}
