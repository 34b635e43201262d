/**
 * Measures what an agent holds in memory while it syncs a database of several gigabytes, and how long that takes.
 *
 * `deno run -A bench/agent/large_database_bench.ts [gigabytes]`: the agent is a process of its own with its task's
 * permissions; the server takes every batch and forgets it. The peak is the kernel's own (VmHWM), so this runs on Linux.
 */
import { writeLine } from "../../lib/log.ts";
import { formatBytes } from "../../lib/progress.ts";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { spawnAgent } from "../../tests/support/mac/agent_process.ts";
import { largeChatDb } from "../../tests/support/chat_db/bulk.ts";
import { watchToEnd } from "../support/process_usage.ts";

const DEFAULT_GIGABYTES = 4;
const GIGABYTE = 1e9;
const SAMPLE_MS = 100;

async function main(gigabytes: number): Promise<void> {
  await using home = await AgentHome.paired();
  const messages = largeChatDb(home.chatDb, { sizeBytes: gigabytes * GIGABYTE });
  const startedMs = performance.now();
  const forget = () => {
    home.server.requests.length = 0;
    home.server.account.messages.clear();
  };
  const agent = spawnAgent(["sync", "--once"], home);
  const { output, peakBytes } = await watchToEnd(agent, { everyMs: SAMPLE_MS, meanwhile: forget });
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const { inserted } = home.server.account;
  writeLine(`chat.db of ${formatBytes(Deno.statSync(home.chatDb).size)} with ${messages} messages`);
  writeLine(`exit code ${output.code}, ${inserted} messages sent in ${seconds} s`);
  writeLine(`peak resident memory of the agent: ${formatBytes(peakBytes)}`);
}

await main(Number(Deno.args[0] ?? DEFAULT_GIGABYTES));
