/**
 * Measures what agent and server hold in memory while a complete chat.db is synced, and how fast that goes.
 *
 * `deno run -A bench/agent/sync_memory_bench.ts [messages]`: each runs as its own process with its task's permissions, the
 * server on its embedded PostgreSQL. Peaks are the kernel's own (VmHWM), so this runs on Linux.
 */
import { join } from "node:path";
import { formatBytes } from "../../lib/progress.ts";
import { writeLine } from "../../lib/log.ts";
import { pairAgent, spawnAgent } from "../../tests/support/mac/agent_process.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { claimServer } from "../../tests/support/server/owner_client.ts";
import { agentEnvOf, startServices } from "../../tests/support/server/running_services.ts";
import { descendantBytes, peakRssBytes, watchToEnd } from "../support/process_usage.ts";

const DEFAULT_MESSAGES = 200_000;
const SAMPLE_MS = 250;
const AGENT_LIMIT_BYTES = 200_000_000;
const SERVER_LIMIT_BYTES = 300_000_000;

/** Watches the processes until the agent ends; peaks in bytes. */
async function watch(
  agent: Deno.ChildProcess,
  serverPid: number,
): Promise<{ agent: number; postgres: number; code: number }> {
  let postgres = 0;
  const meanwhile = () => {
    postgres = Math.max(postgres, descendantBytes(serverPid));
  };
  const { output: { code }, peakBytes } = await watchToEnd(agent, { everyMs: SAMPLE_MS, meanwhile });
  return { agent: peakBytes, postgres, code };
}

async function main(messages: number): Promise<void> {
  await using services = await startServices({ env: { PAIRING: "approve" } });
  const chatDb = join(services.dir, "chat.db");
  bulkChatDb(chatDb, { messages });
  const env = agentEnvOf(services, chatDb);
  const owner = await claimServer(services.server.url);
  await pairAgent((code) => owner.approve(code), { env });
  const startedMs = performance.now();
  const agent = spawnAgent(["sync", "--once"], { env });
  const peaks = await watch(agent, services.server.pid);
  const seconds = (performance.now() - startedMs) / 1_000;
  const stored = (await owner.syncStatus()).messages;
  const serverBytes = peakRssBytes(services.server.pid);
  writeLine(`${messages} rows in chat.db, ${stored} messages stored, agent's exit code ${peaks.code}`);
  writeLine(`from chat.db to the server's acknowledgement: ${Math.round(stored / seconds)} messages/s`);
  writeLine("peak resident memory");
  writeLine(
    `  agent       ${formatBytes(peaks.agent).padStart(9)}   of at most ${formatBytes(AGENT_LIMIT_BYTES)}`,
  );
  writeLine(
    `  server      ${formatBytes(serverBytes).padStart(9)}   of at most ${formatBytes(SERVER_LIMIT_BYTES)}`,
  );
  writeLine(
    `  PostgreSQL  ${formatBytes(peaks.postgres).padStart(9)}   all its processes, shared pages once`,
  );
}

await main(Number(Deno.args[0] ?? DEFAULT_MESSAGES));
