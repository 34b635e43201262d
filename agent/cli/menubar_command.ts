/** Owns `agent menubar`: opens the menubar app, which is a program of its own. */
import { StartError } from "../../lib/lifecycle.ts";
import type { AgentServices } from "./agent_services.ts";

/** As packaging/macos/info_additions.plist names the app. */
export const APP_IDENTIFIER = "app.conversation-assistant";

/** Opens the app, or shows the one that runs. @throws StartError where there is none */
export async function menubarCommand(
  { machine, commands }: Pick<AgentServices, "machine" | "commands">,
): Promise<number> {
  if (machine.os !== "darwin") throw new StartError("The menubar is for macOS: elsewhere use `agent status`");
  const { code } = await commands.run(["/usr/bin/open", "-b", APP_IDENTIFIER]);
  if (code === 0) return 0;
  throw new StartError(
    "macOS knows no app of this name: install Conversation Assistant, as packaging/macos/README.md says",
  );
}
