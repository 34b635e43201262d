/** Tests of the agent as a process, with the permissions of its task: killed, locked out, misused, or badly fed. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { AgentHome } from "../tests/support/mac/agent_home.ts";
import { runAgent, spawnAgent } from "../tests/support/mac/agent_process.ts";
import { bulkChatDb } from "../tests/support/chat_db/bulk.ts";
import { createChatDb } from "../tests/support/chat_db/chat_db_fixture.ts";
import { VERSION } from "../lib/version.ts";

/** Enough for three rounds of a sync. */
const BULK_ROWS = 20_000;
const SYNC_PATH = "/api/sync/messages";

/** The agent is waiting for the answer to a batch that the server holds until `release`. */
interface HeldSync {
  agent: Deno.ChildProcess;
  release: () => void;
}

/** Starts a sync and resolves once the server holds its n-th batch of messages. */
async function syncHeldAt(home: AgentHome, nth: number): Promise<HeldSync> {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let count = 0;
  home.server.interfere = async ({ path }) => {
    if (path === SYNC_PATH && ++count === nth) {
      reached.resolve();
      await released.promise;
    }
    return null;
  };
  const agent = spawnAgent(["sync", "--once"], home);
  const ended = agent.status.then(({ code }) => {
    throw new Error(`The agent ended with ${code} before it sent batch ${nth}`);
  });
  await Promise.race([reached.promise, ended]);
  ended.catch(() => {});
  return { agent, release: released.resolve };
}

function messageGuids(path: string): string[] {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare("SELECT guid FROM message WHERE associated_message_type = 0 AND item_type = 0")
    .all().map(({ guid }) => String(guid));
}

Deno.test("an agent killed -9 in the middle of a sync, again and again, ends with every message exactly once", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  for (const nth of [1, 5, 9, 60, 61]) {
    const { agent, release } = await syncHeldAt(home, nth);
    agent.kill("SIGKILL");
    const { signal } = await agent.output();
    release();
    assert.equal(signal, "SIGKILL");
  }
  home.server.interfere = () => null;
  const run = await runAgent(["sync", "--once"], home);
  assert.equal(run.code, 0, run.stderr);
  const guids = messageGuids(home.chatDb);
  assert.deepEqual(new Set(home.server.account.messages.keys()), new Set(guids));
  assert.equal(home.server.account.inserted, guids.length);
  assert.ok(home.server.account.unchanged > 0, "what was under way when the agent died is sent again");
  const repeated = await runAgent(["sync", "--once"], home);
  assert.match(repeated.stdout, /Messages: 0 new, 0 changed, 0 known already/);
});

Deno.test("a second agent on the same data folder says that another one is at work, and stops", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 100 });
  const first = await syncHeldAt(home, 1);
  const second = await runAgent(["sync", "--once"], home);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^Another agent is already running on .*\. Wait for it, or stop it\.\n$/);
  first.release();
  assert.equal((await first.agent.output()).code, 0);
});

Deno.test("SIGTERM ends a sync with a sentence and exit code 1, and nothing is lost", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 100 });
  const { agent, release } = await syncHeldAt(home, 1);
  agent.kill("SIGTERM");
  const { code, stderr } = await agent.output();
  release();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /^Stopped before the end; nothing is lost.*\n$/);
  assert.equal((await runAgent(["sync", "--once"], home)).code, 0);
  assert.equal(home.server.account.messages.size, messageGuids(home.chatDb).length);
});

/** Ways in which the file at AGENT_CHAT_DB can be wrong, and what the sentence about each begins with. */
const BROKEN: Record<string, { damage: (path: string) => Promise<void>; says: RegExp }> = {
  missing: { damage: (path) => Deno.remove(path), says: /^There is no Messages database at / },
  empty: { damage: (path) => Deno.truncate(path), says: /^The file .* is empty\. / },
  "not SQLite": {
    damage: (path) => Deno.writeTextFile(path, "Dear diary, ".repeat(1_000)),
    says: /^The file .* is not an SQLite database\. /,
  },
  truncated: {
    damage: (path) => Deno.truncate(path, 40_960),
    says: /^The database .* is damaged or cut short\. /,
  },
  "of another program": {
    async damage(path) {
      await Deno.remove(path);
      using db = new DatabaseSync(path);
      db.exec("CREATE TABLE note (id INTEGER)");
    },
    says: /^The database .* Messages\. Set AGENT_CHAT_DB/,
  },
};

for (const [kind, { damage, says }] of Object.entries(BROKEN)) {
  Deno.test(`a chat.db that is ${kind} is one sentence, exit code 1, and the cursor stays as it was`, async () => {
    await using home = await AgentHome.paired();
    const db = createChatDb(home.chatDb);
    db.addMessage({
      chat: db.addChat({ identifier: "+15550100001" }),
      from: "me",
      text: "a",
      sentAt: new Date(),
    });
    db.close({ checkpoint: true });
    assert.equal((await runAgent(["sync", "--once"], home)).code, 0);
    const state = home.syncState();
    await damage(home.chatDb);

    const run = await runAgent(["sync", "--once"], home);
    assert.equal(run.code, 1);
    assert.match(run.stderr, says);
    assert.equal(run.stderr.trim().split("\n").length, 1);
    assert.deepEqual(home.syncState(), state);
    assert.equal(JSON.parse((await runAgent(["status", "--json"], home)).stdout).chatDb.readable, false);
  });
}

Deno.test("a chat.db that another program keeps locked is one sentence, and the cursor stays as it was", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  assert.equal((await runAgent(["sync", "--once"], home)).code, 0);
  const state = home.syncState();
  db.store.sqlite.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  const run = await runAgent(["sync", "--once"], home);
  db.store.sqlite.exec("PRAGMA locking_mode = NORMAL; BEGIN IMMEDIATE; COMMIT");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /^Another program keeps the database .* locked\. .*\n$/);
  assert.deepEqual(home.syncState(), state);
});

Deno.test("help and version are printed, and a wrong command line prints the command's usage and exits with code 2", async () => {
  await using home = await AgentHome.create();
  const help = await home.run("help");
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^Usage: agent COMMAND$/m);
  const syncHelp = await home.run("sync --help");
  assert.equal(syncHelp.code, 0);
  assert.match(syncHelp.stdout, /^Usage: agent sync .*--since <DATE>.*--dry-run/ms);
  assert.equal((await home.run("help sync")).stdout, syncHelp.stdout);
  assert.equal((await home.run("--version")).stdout, `${VERSION}\n`);
  const faults: Record<string, RegExp> = {
    "fly": /unknown command 'fly'/,
    "toString": /unknown command 'toString'/,
    "": /unknown command ''/,
    "statsu": /unknown command 'statsu'\n\(Did you mean status\?\)/,
    "sync --onse": /unknown option '--onse'\n\(Did you mean --once\?\)/,
    "suggest frobnicate": /suggest does not know "frobnicate"/,
    "sync": /sync needs --once/,
    "sync --once --fast": /unknown option '--fast'/,
    "sync --once now": /too many arguments for 'sync'/,
    "status --json=yes": /unknown option '--json=yes'/,
    "pair --name": /option '--name <NAME>' argument missing/,
  };
  for (const [commandLine, says] of Object.entries(faults)) {
    const run = await home.run(commandLine);
    assert.equal(run.code, 2, commandLine);
    assert.match(run.stderr, says);
    assert.match(run.stderr, /\n`agent help` shows every command\.\n$/);
  }
  const none = await runAgent([], home);
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /^agent: a command is missing\n\nUsage: agent COMMAND\n\n.*\nCommands:\n.* sync /s,
  );
});

Deno.test("invalid settings are reported as they are, with exit code 1", async () => {
  await using home = await AgentHome.create();
  const run = await runAgent(["status"], { env: { ...home.env, AGENT_SERVER_URL: "nowhere" } });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /^AGENT_SERVER_URL must be a URL/);
});
