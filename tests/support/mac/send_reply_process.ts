/** Sends a reply in a process of its own, which a test kills while Messages has the text. */
import { ChatDatabase } from "../../../agent/chatdb/file/chat_database.ts";
import { systemCommands } from "../../../agent/platform/command_runner.ts";
import { lockWork } from "../../../agent/platform/instance_lock.ts";
import { createMessagesApp } from "../../../agent/platform/messages_app.ts";
import { createScriptHost } from "../../../agent/platform/osascript.ts";
import { AgentStore } from "../../../agent/state/agent_store.ts";
import { type Reply, type SendDependencies, sendReply } from "../../../agent/suggest/send/send_reply.ts";

export interface SendingPlaces {
  chatDb: string;
  dataDir: string;
  osascript: string;
}

/** What sending needs, on real files and a real child process; looks for the message once. */
export function sendDependencies({ chatDb, dataDir, osascript }: SendingPlaces): SendDependencies {
  return {
    openChatDatabase: () => new ChatDatabase(chatDb),
    messages: createMessagesApp(createScriptHost(systemCommands(), osascript)),
    sendLog: new AgentStore(dataDir, "suggestions"),
    lock: (work) => lockWork(dataDir, work),
    now: Date.now,
    confirmTimeoutMs: 0,
  };
}

if (import.meta.main) {
  const { places, reply }: { places: SendingPlaces; reply: Reply } = JSON.parse(Deno.args[0] ?? "");
  await sendReply(sendDependencies(places), reply);
}
