/** Tests of `agent run` as a process, with the permissions of its task: its end, its neighbours, its status. */
import assert from "node:assert/strict";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { runAgent, spawnAgent } from "../../tests/support/mac/agent_process.ts";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";

const SYNC_PATH = "/api/sync/messages";

/** Starts an agent and resolves when the server holds its first batch. */
async function runHeldAtServer(home: AgentHome): Promise<{ agent: Deno.ChildProcess; release: () => void }> {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  home.server.interfere = async ({ path }) => {
    if (path === SYNC_PATH) {
      reached.resolve();
      await released.promise;
    }
    return null;
  };
  const agent = spawnAgent(["run"], home);
  await reached.promise;
  return { agent, release: released.resolve };
}

function writeOne(home: AgentHome, text: string): Disposable {
  const db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: "+15550100001" });
  db.addMessage({ chat, from: "me", text, sentAt: "2026-01-01T10:00:00Z" });
  return db;
}

Deno.test("a running agent is shown by status, keeps a second one and a sync off, and ends at SIGTERM with exit code 0", async () => {
  await using home = await AgentHome.paired();
  using _db = writeOne(home, "a secret");
  assert.match((await home.run("status")).stdout, /^Agent +not running/m);
  const { agent, release } = await runHeldAtServer(home);
  for (const command of ["run", "sync --once"]) {
    const other = await runAgent(command.split(" "), home);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /^Another agent is already running on .*\. Wait for it, or stop it\.\n$/);
  }
  assert.match((await home.run("status")).stdout, /^Agent +running, is (starting|sending what waits)$/m);
  release();
  const lines = agent.stdout.pipeThrough(new TextDecoderStream()).values({ preventCancel: true });
  let output = "";
  while (!output.includes('"Synced"')) output += (await lines.next()).value ?? assert.fail(output);
  const { agent: shown } = JSON.parse((await home.run("status --json")).stdout);
  assert.deepEqual([shown.running, shown.state.counts.inserted <= 1], [true, true]);
  agent.kill("SIGTERM");
  for await (const text of lines) output += text;
  assert.equal((await agent.status).code, 0);
  assert.match(output, /"The agent has stopped"\}\n$/);
  assert.ok(!output.includes("secret"));
  assert.match((await home.run("status")).stdout, /^Agent +not running/m);
  await agent.stderr.cancel();
});

Deno.test("SIGTERM in the middle of a sync ends it at once, and the next start goes on", async () => {
  await using home = await AgentHome.paired();
  using _db = writeOne(home, "waits");
  const { agent, release } = await runHeldAtServer(home);
  agent.kill("SIGTERM");
  const { code, stderr } = await agent.output();
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
  release();
  assert.equal(home.cursor, null);
  home.server.interfere = () => null;
  assert.equal((await home.run("sync --once")).code, 0);
  assert.equal(home.server.account.messages.size, 1);
});

Deno.test("run takes no options", async () => {
  await using home = await AgentHome.create();
  assert.equal((await home.run("run --once")).code, 2);
});
