/** Owns `agent menubar`: opens the menubar app, which is a program of its own. */
import { messageOf, UserError } from "../../lib/errors.ts";
import type { AgentServices } from "./agent_services.ts";
import { openWithMac } from "../platform/open_with_mac.ts";

/** As packaging/macos/info_additions.plist names the app. */
export const APP_IDENTIFIER = "app.conversation-assistant";

/** Opens the app, or shows the one that runs. @throws UserError where there is none */
export async function menubarCommand(
  { machine, commands }: Pick<AgentServices, "machine" | "commands">,
): Promise<number> {
  if (machine.os !== "darwin") {
    throw new UserError("The menubar exists only on macOS", { fix: "Use `agent status`" });
  }
  try {
    await openWithMac({ commands }, ["-b", APP_IDENTIFIER]);
    return 0;
  } catch (error) {
    throw new UserError(messageOf(error), {
      fix: "Install Conversation Assistant, as packaging/macos/README.md says",
      cause: error,
    });
  }
}
