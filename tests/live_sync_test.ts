/** Tests that `agent run` loses and doubles nothing while Messages writes in every way it does and the agent is killed. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentHome } from "./support/mac/agent_home.ts";
import { spawnAgent } from "./support/mac/agent_process.ts";
import type { StoredAccount } from "./support/server/contract_server.ts";
import type { WriterAccount } from "./support/faults/messages_writer.ts";
import { byGuid, comparedOfServer, comparedOfWriter } from "./support/faults/compared_message.ts";
import { WriterProcess } from "./support/faults/writer_process.ts";

/** How often the agent is killed while the other process writes. */
const KILLS = 10;
const LONGEST_LIFE_MS = 2_500;
const SHORTEST_LIFE_MS = 300;
/** How often the server goes away under an agent that stays, and for how long it is there. */
const OUTAGES = 3;
const UPTIME_MS = 3_000;
const POLL_MS = 100;
/** A guard, not a measure: an agent that needs longer has lost something. */
const PATIENCE_MS = 60_000;

/** What each side holds, by guid. */
function bothSides(account: StoredAccount, written: WriterAccount): [server: object, writer: object] {
  return [
    byGuid(
      [...account.messages].map(([guid, { conversation, message }]) =>
        [guid, comparedOfServer(conversation, message)] as const
      ),
    ),
    byGuid(written.messages.map((message) => [message.guid, comparedOfWriter(message)] as const)),
  ];
}

async function untilEqual(account: StoredAccount, written: WriterAccount): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (Date.now() < deadlineMs) {
    const [server, writer] = bothSides(account, written);
    if (JSON.stringify(server) === JSON.stringify(writer)) return;
    await sleep(POLL_MS);
  }
  assert.deepEqual(...bothSides(account, written));
}

/** The agent's state as it publishes it; null while there is none. */
async function phaseOf(home: AgentHome): Promise<string | null> {
  const content = await home.dataFile("state.json");
  return content === null ? null : JSON.parse(content).phase;
}

/** Ends the writer, waits until the server has all it wrote, and ends the agent. */
async function assertAllArrives(
  home: AgentHome,
  { agent, writer, seed }: { agent: Deno.ChildProcess; writer: WriterProcess; seed: number },
): Promise<void> {
  const written = await writer.stop();
  await untilEqual(home.server.account, written).catch((error) => {
    throw new Error(`With seed ${seed}: ${error.message}`, { cause: error });
  });
  agent.kill("SIGTERM");
  const { code, stdout, stderr } = await agent.output();
  assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  assert.equal(await phaseOf(home), "stopped");
  const { conversations, messages } = home.server.account;
  const guids = [...conversations.values()].flatMap(({ guids }) => guids);
  assert.equal(guids.length, new Set(guids).size);
  assert.equal(guids.length, messages.size);
}

Deno.test(`an agent killed -9 ${KILLS} times while Messages writes ends with exactly what Messages holds`, async () => {
  await using home = await AgentHome.paired();
  const seed = Math.floor(Math.random() * 2 ** 31);
  await using writer = await WriterProcess.start(home.chatDb, { seed });
  for (let kill = 0; kill < KILLS; kill++) {
    const agent = spawnAgent(["run"], home);
    await sleep(SHORTEST_LIFE_MS + Math.random() * (LONGEST_LIFE_MS - SHORTEST_LIFE_MS));
    agent.kill("SIGKILL");
    assert.equal((await agent.output()).signal, "SIGKILL", `seed ${seed}`);
  }
  await assertAllArrives(home, { agent: spawnAgent(["run"], home), writer, seed });
});

Deno.test("a running agent sees every change without restarting, while the server comes and goes", async () => {
  await using home = await AgentHome.paired();
  const seed = Math.floor(Math.random() * 2 ** 31);
  await using writer = await WriterProcess.start(home.chatDb, { seed, upheavalShare: 0 });
  const agent = spawnAgent(["run"], home);
  for (let outage = 0; outage < OUTAGES; outage++) {
    await sleep(UPTIME_MS);
    await home.server.stop();
    await sleep(Math.random() * UPTIME_MS);
    await home.server.listen();
  }
  await assertAllArrives(home, { agent, writer, seed });
});
