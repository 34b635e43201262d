/** Tests of `agent status`: each state of pairing, server, database and cursor, and that looking changes nothing. */
import assert from "node:assert/strict";
import { AgentStore } from "../state/agent_store.ts";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { type ChatDb, createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import type { AgentStatus } from "../run/agent_status.ts";

function writeChatDb(path: string, count: number): ChatDb {
  const db = createChatDb(path);
  const chat = db.addChat({ identifier: "+15550100001" });
  for (let index = 0; index < count; index++) {
    db.addMessage({ chat, from: "me", text: `message ${index}`, sentAt: "2026-01-01T10:00:00Z" });
  }
  return db;
}

async function statusOf(home: AgentHome): Promise<AgentStatus> {
  const run = await home.run("status --json");
  assert.equal(run.code, 0, run.stderr);
  return JSON.parse(run.stdout);
}

Deno.test("a new agent is not paired, has synced nothing, and leaves no trace of the look", async () => {
  await using home = await AgentHome.create();
  const status = await statusOf(home);
  assert.deepEqual(status.pairing, { state: "none", deviceId: null, expiresAt: null });
  assert.deepEqual(status.server, { url: home.server.url, reachable: true, problem: null, fix: null });
  assert.equal(status.chatDb.readable, false);
  assert.match(status.chatDb.problem ?? "", /no Messages database/);
  assert.equal(status.messages, null);
  assert.equal(status.lastSync, null);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(home.dir))).map(({ name }) => name), []);
});

Deno.test("a paired agent shows its device, how far it has come and what waits", async () => {
  await using home = await AgentHome.paired();
  using db = writeChatDb(home.chatDb, 3);
  await home.run("sync --once");
  const chat = db.addChat({ identifier: "+15550100002" });
  db.addMessage({ chat, from: "me", text: "new", sentAt: "2026-01-01T11:00:00Z" });
  const status = await statusOf(home);
  assert.equal(status.pairing.state, "paired");
  assert.equal(status.pairing.deviceId, home.server.devices[0]?.id);
  assert.deepEqual(status.messages, { syncedRowId: 3, waitingRows: 1, restart: null });
  assert.equal(status.lastSync?.inserted, 3);
  assert.equal(status.lastFailure, null);
  const { stdout } = await home.run("status");
  assert.match(stdout, /^Server +http:\S+: reachable$/m);
  assert.match(stdout, /^Pairing +paired \(device [0-9a-f-]{36}, until \d{4}-\d\d-\d\d \d\d:\d\d\)$/m);
  assert.match(stdout, /^Messages +synced up to row 3, 1 row waits$/m);
  assert.match(
    stdout,
    /^Last sync +\d{4}-\d\d-\d\d \d\d:\d\d, in [\d.]+ s: 3 new, 0 changed, 0 known already, 0 deleted; 0 contacts$/m,
  );
});

Deno.test("the status distinguishes pairings that are pending, ended, for another server or unreadable", async () => {
  await using home = await AgentHome.create();
  home.server.pairing = "approve";
  await home.run("pair");
  assert.equal((await statusOf(home)).pairing.state, "pending");

  home.server.pairing = "open";
  await home.run("pair --continue");
  assert.equal((await statusOf(home)).pairing.state, "paired");

  const token = await home.dataFile("token") ?? "";
  await Deno.remove(`${home.dataDir}/token`);
  assert.equal((await statusOf(home)).pairing.state, "broken");
  await Deno.writeTextFile(`${home.dataDir}/token`, token);

  home.server.deactivateAll();
  const ended = await statusOf(home);
  assert.equal(ended.pairing.state, "ended");
  assert.match(ended.server.problem ?? "", /was deactivated on the server$/);
  assert.match(ended.server.fix ?? "", /^Run `agent pair`/);

  const content = await home.dataFile("pairing.json") ?? "";
  await Deno.writeTextFile(
    `${home.dataDir}/pairing.json`,
    content.replace(home.server.url, "http://other:1"),
  );
  assert.equal((await statusOf(home)).pairing.state, "other_server");
  await Deno.writeTextFile(`${home.dataDir}/pairing.json`, "?");
  assert.equal((await statusOf(home)).pairing.state, "broken");
});

Deno.test("an unreachable server and the last failure are shown, and the pairing still counts as valid", async () => {
  await using home = await AgentHome.paired();
  using _db = writeChatDb(home.chatDb, 1);
  await home.server.stop();
  await home.run("sync --once");
  const status = await statusOf(home);
  assert.equal(status.server.reachable, false);
  assert.match(status.server.problem ?? "", /Connection refused/);
  assert.equal(status.pairing.state, "paired");
  assert.match(status.lastFailure?.message ?? "", /^Cannot reach the server/);
  assert.match(
    (await home.run("status")).stdout,
    /^Failed +\d{4}-\d\d-\d\d \d\d:\d\d: Cannot reach the server/m,
  );

  await home.server.listen();
  await home.run("sync --once");
  assert.equal((await statusOf(home)).lastFailure, null);
});

Deno.test("a cursor that no longer fits the database is reported before the next sync starts over, and is left unchanged", async () => {
  await using home = await AgentHome.paired();
  writeChatDb(home.chatDb, 3).close({ checkpoint: true });
  await home.run("sync --once");
  await Deno.rename(home.chatDb, `${home.chatDb}.old`);
  createChatDb(home.chatDb, { seed: 9 }).close({ checkpoint: true });
  const state = home.syncState();
  assert.equal((await statusOf(home)).messages?.restart, "other_database");
  assert.match(
    (await home.run("status")).stdout,
    /replaced or rebuilt: the next sync sends all messages again/,
  );
  assert.deepEqual(home.syncState(), state);

  await Deno.writeTextFile(`${home.dataDir}/agent.db`, "half");
  assert.equal((await statusOf(home)).messages?.restart, "cursor_broken");
  assert.equal(await home.dataFile("agent.db"), "half");
});

Deno.test("a record of past syncs that cannot be read costs its contents only", async () => {
  await using home = await AgentHome.paired();
  using _db = writeChatDb(home.chatDb, 3);
  await home.run("sync --once");
  new AgentStore(home.dataDir, "sync").write((database) => {
    database.run("UPDATE documents SET value = '{' WHERE id = 'last_sync'");
  });
  const status = await statusOf(home);
  assert.equal(status.lastSync, null);
  assert.deepEqual(status.refused, []);
  assert.equal((await home.run("sync --once")).code, 0);
  assert.notEqual((await statusOf(home)).lastSync, null);
});

Deno.test("the health check of an agent that does not run fails with a line", async () => {
  await using home = await AgentHome.paired();
  const { code, stdout } = await home.run("healthcheck");
  assert.equal(code, 1);
  assert.match(stdout, /^not running: /);
});
