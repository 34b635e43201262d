/** Tests that a damaged agent.db costs one more sync and nothing else, and that several processes share it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { runAgent, spawnAgent } from "../../tests/support/mac/agent_process.ts";
import { loadSendLog, writeEntry } from "../suggest/send/send_log.ts";
import { loadPolicies, savePolicy } from "../suggest/conversation_policies.ts";
import { AgentStore } from "./agent_store.ts";
import type { SendEntry } from "./stored_values.ts";

const MAYA = "+15550100001";
const ENTRY: SendEntry = {
  responseId: "a",
  chatIds: [1],
  textDigest: "0",
  afterRowId: 1,
  startedAt: "2026-01-01T10:00:00.000Z",
  outcome: "sent",
};

/** Messages in the middle of which a batch ends. */
const MESSAGES = 3_000;

async function syncedHome(): Promise<AgentHome> {
  const home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: MESSAGES });
  assert.equal((await home.run("sync --once")).code, 0);
  writeEntry(suggestionsOf(home), ENTRY);
  savePolicy(suggestionsOf(home), { conversationId: "quiet", mode: "off" });
  return home;
}

function suggestionsOf({ dataDir }: AgentHome): AgentStore {
  return new AgentStore(dataDir, "suggestions");
}

async function overwrite(path: string, { from, length }: { from: number; length: number }): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(from, Deno.SeekMode.Start);
  await file.write(new Uint8Array(length).fill(0x5a));
}

const DAMAGES: Record<string, (path: string, sizeBytes: number) => Promise<void>> = {
  "without its head": (path) => overwrite(path, { from: 0, length: 100 }),
  "without its middle": (path, sizeBytes) => overwrite(path, { from: 8_192, length: sizeBytes - 16_384 }),
  "without its end": (path, sizeBytes) => Deno.truncate(path, sizeBytes / 2),
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`a state file ${what}: all is sent once more and stored once, nothing is drafted or sent to anybody meanwhile`, async () => {
    await using home = await syncedHome();
    const { inserted } = home.server.account;
    const stored = [...home.server.account.messages];
    const path = join(home.dataDir, "agent.db");
    await damage(path, (await Deno.stat(path)).size);
    assert.match(
      (await home.run("status")).stdout,
      /ends in \.broken: the next sync sends all messages again/,
    );

    const { stdout, code } = await home.run("sync --once");
    assert.equal(code, 0);
    assert.match(stdout, /kept aside under a name that ends in \.broken, so all messages were sent again/);
    assert.deepEqual([...home.server.account.messages], stored);
    assert.equal(home.server.account.inserted, inserted);
    assert.match((await home.run("sync --once")).stdout, /Messages: 0 new, 0 changed, 0 known already/);

    assert.equal(loadPolicies(suggestionsOf(home)).modeOf("anybody"), "off");
    assert.throws(
      () => loadSendLog(suggestionsOf(home)),
      /agent\.db\.broken cannot be read, so nothing is sent/,
    );
    await Deno.remove(`${path}.broken`);
    assert.deepEqual(loadSendLog(suggestionsOf(home)), []);
  });
}

Deno.test("a state that is damaged while a sync is under way is set aside, and the sync begins again and ends", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  for (const text of ["one", "two"]) db.addMessage({ chat, from: MAYA, text, sentAt: new Date() });
  let isDamaged = false;
  home.server.interfere = ({ path }) => {
    if (isDamaged || !path.endsWith("/messages")) return null;
    isDamaged = true;
    new AgentStore(home.dataDir, "sync").write((database) => database.run("DROP TABLE seen_rows"));
    return null;
  };
  const { stdout, code, stderr } = await home.run("sync --once");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Messages: 0 new, 0 changed, 2 known already/);
  assert.equal(home.server.account.inserted, 2);
  assert.ok(isDamaged && await home.dataFile("agent.db.broken") !== null);
  assert.match((await home.run("sync --once")).stdout, /Messages: 0 new, 0 changed, 0 known already/);
});

Deno.test("a running agent, commands beside it and a menubar change the state at the same time, and nothing of it is lost", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const agent = spawnAgent(["run"], home);
  const suggestions = suggestionsOf(home);
  const COUNT = 60;
  for (let index = 0; index < COUNT; index++) {
    db.addMessage({ chat, from: MAYA, text: `${index}`, sentAt: new Date() });
    writeEntry(suggestions, { ...ENTRY, responseId: `${index}` });
    savePolicy(suggestions, { conversationId: `${index}`, mode: "automatic" });
    if (index % 20 === 0) assert.equal((await runAgent(["status"], home)).code, 0);
    await sleep(20);
  }
  while (home.server.account.messages.size < COUNT) await sleep(50);
  agent.kill("SIGTERM");
  const { code, stdout } = await agent.output();
  assert.equal(code, 0);
  assert.doesNotMatch(new TextDecoder().decode(stdout), /Sync failed/);
  assert.equal(home.server.account.inserted, COUNT);
  assert.equal(loadSendLog(suggestions).length, COUNT);
  assert.equal(Object.keys(loadPolicies(suggestions).modes).length, COUNT);
});
