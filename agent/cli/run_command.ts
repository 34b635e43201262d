/** `agent run`: the agent that keeps running, as the login service starts it. */
import { systemClock } from "../../lib/clock.ts";
import { createLogger } from "../../lib/log.ts";
import { addressBookSignature } from "../contacts/address_book_sources.ts";
import { agentStateStore } from "../run/agent_state.ts";
import { watchFolder } from "../run/database_watcher.ts";
import { LiveAgent, type LiveAgentOptions } from "../run/live_agent.ts";
import type { AgentContext } from "./agent_context.ts";
import { startBackgroundTasks } from "./background_tasks.ts";

/** What a test or a measurement may put in the place of the real thing. */
export type RunOverrides = Partial<Pick<LiveAgentOptions, "clock" | "watchFolder" | "onState">>;

/** Puts the agent together that `agent run` runs. */
export function liveAgentOf(services: AgentContext, overrides: RunOverrides = {}): LiveAgent {
  const { config, output, pairing, store, batchMessages } = services;
  return new LiveAgent({
    pairing,
    server: services.liveServer,
    chatDb: config.chatDb,
    openChatDatabase: services.openChatDatabase,
    readAddressBook: services.readAddressBook,
    addressBookSignature: () => addressBookSignature(config.addressBook),
    store,
    stateFile: agentStateStore(config.dataDir),
    log: createLogger({ write: output.line, pretty: output.terminal !== null }),
    clock: systemClock,
    watchFolder,
    batchMessages,
    ...overrides,
  });
}

/** Runs the command until the process is asked to end. Its lines are a log: counts and durations. */
export async function runCommand(services: AgentContext): Promise<number> {
  using _running = await services.lock("run");
  using _syncing = await services.lock("sync");
  using backgroundTasks = startBackgroundTasks(services);
  await liveAgentOf(services, { onState: backgroundTasks.onState }).run(services.signal);
  return 0;
}
