/** Tests that a server killed in the middle of a long sync loses nothing and doubles nothing. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { pairAgent, runAgent, spawnAgent } from "./support/mac/agent_process.ts";
import { bulkChatDb } from "./support/chat_db/bulk.ts";
import { countRowsBySql } from "./support/chat_db/read_chat_db.ts";
import { captureIn } from "./support/mac/agent_home.ts";
import { claimServer, type OwnerClient } from "./support/server/owner_client.ts";
import { agentEnvOf, type RunningServices, startServices } from "./support/server/running_services.ts";

const MESSAGES = 50_000;
/** The server dies once it has stored this many. */
const KILL_AFTER = 5_000;
const POLL_MS = 20;

async function untilStored(owner: OwnerClient, count: number): Promise<void> {
  while ((await owner.syncStatus()).messages < count) await sleep(POLL_MS);
}

/** What the agent must have sent: every row that is a message, found without the agent's own reader. */
function expectedGuids(path: string): Set<string> {
  using db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare("SELECT guid FROM message WHERE associated_message_type = 0 AND item_type = 0")
    .all();
  return new Set(rows.map((row) => String(row.guid)));
}

async function storedGuids(owner: OwnerClient): Promise<string[]> {
  const guids: string[] = [];
  for (const { id } of await owner.conversations()) {
    for await (const message of owner.allMessages(id)) guids.push(message.imessageGuid);
  }
  return guids;
}

/** What the agent says of the rows must be what SQL counts in chat.db. */
function assertComplete(env: Record<string, string>, chatDb: string): void {
  const { rows, messages } = countRowsBySql(chatDb);
  const capture = { rowsRead: rows, stored: messages, refused: 0, setAside: rows - messages, gaps: 0 };
  assert.deepEqual(captureIn({ dataDir: env.AGENT_DATA_DIR ?? "", chatDb }), capture);
}

/** A Mac with a full database whose agent is paired and has sent nothing yet. */
async function pairedMac(services: RunningServices) {
  const chatDb = join(services.dir, "chat.db");
  bulkChatDb(chatDb, { messages: MESSAGES });
  const env = agentEnvOf(services, chatDb);
  const owner = await claimServer(services.server.url);
  await pairAgent((code) => owner.approve(code), { env });
  return { chatDb, env, owner };
}

Deno.test("a server killed -9 during a sync of 50,000 messages ends with each message exactly once", async () => {
  await using services = await startServices({ env: { PAIRING: "approve" } });
  const { chatDb, env, owner } = await pairedMac(services);

  const interrupted = spawnAgent(["sync", "--once"], { env });
  await untilStored(owner, KILL_AFTER);
  services.server.kill();
  await services.restartServer();
  const { code } = await interrupted.output();
  const stored = (await owner.syncStatus()).messages;
  assert.ok(code === 0 || stored < MESSAGES, "the interrupted sync must tell when it did not finish");

  const resumed = await runAgent(["sync", "--once"], { env });
  assert.equal(resumed.code, 0, resumed.stdout + resumed.stderr);
  const expected = expectedGuids(chatDb);
  const guids = await storedGuids(owner);
  assert.equal(guids.length, expected.size);
  assert.deepEqual(new Set(guids), expected);
  assertComplete(env, chatDb);
});

Deno.test("an agent killed -9 during a sync goes on where it was, and the rows that it counts are those of chat.db", async () => {
  await using services = await startServices({ env: { PAIRING: "approve" } });
  const { chatDb, env, owner } = await pairedMac(services);
  for (const part of [1, 2]) {
    const interrupted = spawnAgent(["sync", "--once"], { env });
    await untilStored(owner, part * KILL_AFTER);
    interrupted.kill("SIGKILL");
    await interrupted.output();
    const { rowsRead, stored, refused, setAside } = captureIn({ dataDir: env.AGENT_DATA_DIR ?? "", chatDb });
    assert.ok(rowsRead < MESSAGES, "it was killed in the middle");
    assert.equal(rowsRead, stored + refused + setAside);
  }
  const resumed = await runAgent(["sync", "--once"], { env });
  assert.equal(resumed.code, 0, resumed.stdout + resumed.stderr);
  assert.deepEqual(new Set(await storedGuids(owner)), expectedGuids(chatDb));
  assertComplete(env, chatDb);
});
