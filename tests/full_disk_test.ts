/** Tests that an agent on a full disk stays, says so, loses nothing, and goes on once there is room. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentState, agentStateStore } from "../agent/run/agent_state.ts";
import { AgentHome } from "./support/mac/agent_home.ts";
import { createChatDb } from "./support/chat_db/chat_db_fixture.ts";
import { SmallDisk, smallDiskTests } from "./support/process/small_disk.ts";

const MAYA = "+15550100001";
const POLL_MS = 100;
/** A guard, not a measure: an agent that needs longer has lost something. */
const PATIENCE_MS = 90_000;

async function until(disk: SmallDisk, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!await holds()) {
    assert.equal(disk.hasEnded, false, `The agent has ended before ${what}`);
    assert.ok(Date.now() < deadlineMs, `Waited in vain until ${what}`);
    await sleep(POLL_MS);
  }
}

async function stateOn({ dataDir }: SmallDisk): Promise<AgentState | null> {
  const stored = await agentStateStore(dataDir).load();
  return stored.kind === "found" ? stored.state : null;
}

await smallDiskTests({
  "an agent whose disk is full keeps running and reports it, and sends each message once when there is room again":
    async () => {
      await using home = await AgentHome.paired();
      using db = createChatDb(home.chatDb);
      const chat = db.addChat({ identifier: MAYA });
      const texts: string[] = [];
      const write = (count: number) => {
        for (let index = 0; index < count; index++) {
          const text = `message ${texts.push("")}`;
          texts[texts.length - 1] = text;
          db.addMessage({ chat, from: MAYA, text, sentAt: new Date() });
        }
      };
      write(3);
      await using disk = await SmallDisk.start(home);
      await until(disk, "the agent watches", async () => (await stateOn(disk))?.phase === "watching");

      // Full by the time that the agent records what the server has taken; later syncs fail before they send.
      home.server.interfere = ({ path }) => {
        if (!path.endsWith("/messages")) return null;
        home.server.interfere = () => null;
        disk.fill();
        return null;
      };
      write(5);
      await until(disk, "the state shows the full disk", async () => {
        const { phase, lastError } = await stateOn(disk) ?? {};
        return phase === "failed" && /disk is full/.test(lastError?.message ?? "");
      });
      const doctor = await disk.run(["doctor"]);
      assert.match(doctor.stdout, /failure +Disk +Only 0 MiB free/);
      assert.match(doctor.stdout, /failure +Running agent +The agent hit an error: Cannot\s+write/);
      write(4);

      disk.makeRoom();
      await until(disk, "all has arrived", async () => {
        const { phase, lagRows } = await stateOn(disk) ?? {};
        return home.server.account.messages.size === texts.length && phase === "watching" && lagRows === 0;
      });
      const { messages, inserted, unchanged, conversations } = home.server.account;
      assert.deepEqual([...messages.values()].map(({ message }) => message.text), texts);
      assert.equal(inserted, texts.length);
      assert.ok(unchanged > 0, "what could not be recorded as sent was sent again");
      assert.equal(conversations.get(MAYA)?.guids.length, texts.length);
      assert.match(disk.log().trimEnd().split("\n").at(-1) ?? "", /"message":"Synced"/);
      disk.agent.kill("SIGTERM");
      assert.equal((await disk.agent.status).code, 0);
    },
});
