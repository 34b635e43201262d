/** Tests that a database much larger than the agent may be is streamed through it, not loaded. */
import assert from "node:assert/strict";
import { watchToEnd } from "../bench/support/process_usage.ts";
import { AgentHome } from "./support/mac/agent_home.ts";
import { spawnAgent } from "./support/mac/agent_process.ts";
import { largeChatDb } from "./support/chat_db/bulk.ts";

const DATABASE_BYTES = 500_000_000;
const MEMORY_BYTES = 200_000_000;
const SAMPLE_MS = 50;

Deno.test("a database of 500 MB is synced completely by an agent that never holds 200 MB", async () => {
  await using home = await AgentHome.paired();
  const messages = largeChatDb(home.chatDb, { sizeBytes: DATABASE_BYTES });
  assert.ok(Deno.statSync(home.chatDb).size >= DATABASE_BYTES);
  const agent = spawnAgent(["sync", "--once"], home);
  // What has arrived is counted, not kept: this process has the memory of a test.
  const forget = () => void (home.server.requests.length = 0);
  const { output, peakBytes } = await watchToEnd(agent, { everyMs: SAMPLE_MS, meanwhile: forget });
  assert.equal(output.code, 0);
  assert.equal(home.server.account.messages.size, messages);
  assert.ok(peakBytes > 0 && peakBytes < MEMORY_BYTES, `the agent held ${peakBytes} bytes`);
});
