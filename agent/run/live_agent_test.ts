/** Tests of the agent that stays: what it does by itself while files change, servers go and pairings end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { AgentHome, capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { editMessage } from "../../tests/support/chat_db/edits.ts";
import {
  type Chat,
  type ChatDb,
  createChatDb,
  type Message,
} from "../../tests/support/chat_db/chat_db_fixture.ts";
import { addTapback } from "../../tests/support/chat_db/rows.ts";
import { FakeClock } from "../../tests/support/process/fake_clock.ts";
import { FakeFolder } from "../../tests/support/mac/fake_folder.ts";
import { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { liveAgentOf } from "../cli/run_command.ts";
import { type AgentPhase, type AgentState, agentStateStore } from "./agent_state.ts";
import { readRunningAgent } from "./agent_state.ts";

const MAYA = "+15550100001";
const AT = "2026-01-01T10:00:00Z";
const DEBOUNCE_MS = 250;
const POLL_MS = 5_000;
const MINUTE_MS = 60_000;

/** An agent that runs in this process, by a clock and file events that the test moves. */
class RunningLiveAgent implements AsyncDisposable {
  readonly clock = new FakeClock(Date.now());
  readonly folder = new FakeFolder();
  readonly states: AgentState[] = [];
  readonly output = capturedOutput();
  /** How long the machine has slept: its time went on, its timers did not. */
  sleptMs = 0;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #onState: () => void = () => {};

  constructor(home: AgentHome) {
    const services = {
      ...home.services({ signal: this.#stop.signal, output: this.output }),
      openChatDatabase: () => new ChatDatabase(home.chatDb, { busyTimeoutMs: 10 }),
    };
    const agent = liveAgentOf(services, {
      clock: {
        now: () => this.clock.now() + this.sleptMs,
        after: (delayMs, run) => this.clock.after(delayMs, run),
      },
      watchFolder: this.folder.watch,
      onState: (state) => {
        this.states.push(state);
        this.#onState();
      },
    });
    this.#ended = agent.run(this.#stop.signal);
  }

  get state(): AgentState {
    return this.states.at(-1) ?? assert.fail("the agent has no state yet");
  }

  /** Waits until the agent says that something holds, now or later, and waits itself for what comes. */
  async until(holds: (state: AgentState) => boolean, from = this.states.length - 1): Promise<AgentState> {
    while (!this.states.slice(Math.max(0, from)).some(holds)) {
      await new Promise<void>((resolve) => this.#onState = resolve);
    }
    // One turn of the event loop, in which the agent sets its timer.
    await setImmediate();
    return this.state;
  }

  untilPhase(phase: AgentPhase): Promise<AgentState> {
    return this.until((state) => state.phase === phase);
  }

  /** Does something and waits until the agent has everything sent after that. */
  async andThenWatches(act: () => unknown): Promise<void> {
    const { length } = this.states;
    await act();
    await this.until(({ phase }) => phase === "watching", length);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("Received SIGTERM", "AbortError"));
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

interface World {
  home: AgentHome;
  db: ChatDb;
  chat: Chat;
  say: (text: string) => Message;
}

async function withChat(use: (world: World) => Promise<void>): Promise<void> {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  await use({ home, db, chat, say: (text) => db.addMessage({ chat, from: MAYA, text, sentAt: AT }) });
}

function textsAt(home: AgentHome): (string | null | undefined)[] {
  return [...home.server.account.messages.values()].map(({ message }) => message.text);
}

Deno.test("the agent sends everything, then each message soon after its event", () =>
  withChat(async ({ home, say }) => {
    say("before");
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    assert.deepEqual(textsAt(home), ["before"]);
    assert.equal(agent.state.counts.inserted, 1);
    await agent.andThenWatches(() => {
      say("after");
      agent.folder.touch();
      agent.clock.advance(DEBOUNCE_MS);
    });
    assert.deepEqual(textsAt(home), ["before", "after"]);
    assert.deepEqual([agent.state.counts.inserted, agent.state.lagRows], [2, 0]);
  }));

Deno.test("when every file event is lost, the poll finds the message", () =>
  withChat(async ({ home, say }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    await agent.andThenWatches(() => {
      say("without an event");
      agent.clock.advance(POLL_MS);
    });
    assert.deepEqual(textsAt(home), ["without an event"]);
  }));

Deno.test("an edit of an old message is sent within the hour, although only its timestamp shows it", () =>
  withChat(async ({ home, db, say }) => {
    const old = say("old");
    db.store.atomically(() => {
      for (let index = 0; index < 6_000; index++) say(`${index}`);
    });
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    await agent.andThenWatches(() => {
      editMessage(db, { message: old, text: "edited", at: AT });
      agent.clock.advance(POLL_MS);
    });
    const textOfOld = () => home.server.account.messages.get(old.guid)?.message.text;
    assert.equal(textOfOld(), "old");
    await agent.andThenWatches(() => agent.clock.advance(60 * MINUTE_MS));
    assert.equal(textOfOld(), "edited");
  }));

Deno.test("while the server is unreachable the agent waits longer and longer, changes or not, and continues when it is back", () =>
  withChat(async ({ home, say }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    await home.server.stop();
    say("waits");
    agent.clock.advance(POLL_MS);
    const state = await agent.untilPhase("server_unreachable");
    assert.deepEqual([state.lastError?.code, state.lagRows], ["server_unreachable", 1]);
    assert.match(state.lastError?.message ?? "", /^Cannot reach the server at http/);
    const waitsMs: number[] = [];
    for (let failure = 0; failure < 8; failure++) {
      const { nextTryAt } = agent.state;
      const waitMs = Date.parse(nextTryAt ?? "") - agent.clock.now();
      waitsMs.push(waitMs);
      say("more");
      const failed = agent.until((next) => next.nextTryAt !== null && next.nextTryAt !== nextTryAt);
      agent.clock.advance(waitMs);
      await failed;
    }
    assert.ok(waitsMs.every((waitMs) => waitMs >= 500 && waitMs <= MINUTE_MS), `${waitsMs}`);
    assert.ok((waitsMs.at(-1) ?? 0) >= MINUTE_MS / 2, `${waitsMs}`);
    await home.server.listen();
    await agent.andThenWatches(() => agent.clock.advance(MINUTE_MS));
    assert.equal(home.server.account.messages.size, 9);
    assert.deepEqual([agent.state.lastError, agent.state.lagRows], [null, 0]);
    const warnings = agent.output.lines.filter((line) => line.includes('"level":"warn"'));
    assert.equal(warnings.length, 1, "one outage is one line");
  }));

Deno.test("a server that asks for a pause gets one of that length", () =>
  withChat(async ({ home, say }) => {
    say("waits");
    home.server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 300 });
    await using agent = new RunningLiveAgent(home);
    const { lastError, nextTryAt } = await agent.untilPhase("server_unreachable");
    assert.equal(lastError?.code, "server_busy");
    assert.equal(Date.parse(nextTryAt ?? "") - agent.clock.now(), 300_000);
  }));

Deno.test("an ended pairing is not retried again and again, and a new one is used at once", () =>
  withChat(async ({ home, say }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    home.server.expireTokens();
    say("waits");
    agent.clock.advance(POLL_MS);
    const state = await agent.untilPhase("pairing_ended");
    assert.equal(state.lastError?.code, "token_expired");
    assert.match(state.lastError?.fix ?? "", /^Run `agent pair` to pair again/);
    const { length } = home.server.requests;
    for (let poll = 0; poll < 10; poll++) {
      say("more");
      agent.clock.advance(POLL_MS);
    }
    assert.equal(home.server.requests.length, length);
    await home.pairApproved();
    await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
    assert.equal(home.server.account.messages.size, 11);
  }));

Deno.test("an agent that was never paired waits, and starts when it is", async () => {
  await using home = await AgentHome.create();
  using db = createChatDb(home.chatDb);
  db.addMessage({ chat: db.addChat({ identifier: MAYA }), from: MAYA, text: "first", sentAt: AT });
  await using agent = new RunningLiveAgent(home);
  assert.equal((await agent.untilPhase("pairing_ended")).lastError?.code, "not_paired");
  await home.run("pair");
  await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
  assert.deepEqual(textsAt(home), ["first"]);
});

Deno.test("an unreadable database is retried every half minute, and sooner when something changes there", async () => {
  await using home = await AgentHome.paired();
  await using agent = new RunningLiveAgent(home);
  const { lastError, lagRows, nextTryAt } = await agent.untilPhase("database_unreadable");
  assert.deepEqual([lastError?.code, lagRows], ["missing", null]);
  assert.equal(Date.parse(nextTryAt ?? "") - agent.clock.now(), MINUTE_MS / 2);
  using db = createChatDb(home.chatDb);
  db.addMessage({ chat: db.addChat({ identifier: MAYA }), from: MAYA, text: "there", sentAt: AT });
  await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
  assert.deepEqual(textsAt(home), ["there"]);
});

Deno.test("a file that takes the place of the database is read from its first row", () =>
  withChat(async ({ home, db, say }) => {
    say("of the first file");
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    db.close({ checkpoint: true });
    const next = join(home.dir, "next.db");
    using other = createChatDb(next, { seed: 2 });
    other.addMessage({
      chat: other.addChat({ identifier: MAYA }),
      from: MAYA,
      text: "of the second",
      sentAt: AT,
    });
    other.close({ checkpoint: true });
    await agent.andThenWatches(async () => {
      for (const suffix of ["-wal", "-shm"]) await Deno.remove(home.chatDb + suffix);
      await Deno.rename(next, home.chatDb);
      agent.clock.advance(POLL_MS);
    });
    assert.deepEqual(textsAt(home), ["of the first file", "of the second"]);
  }));

Deno.test("a row without its chat is read again each second, and sent as soon as Messages has finished it", () =>
  withChat(async ({ home, db, chat }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    const sentAt = new Date(agent.clock.now());
    const late = db.addMessage({ chat, from: MAYA, text: "late", sentAt, joinLater: true });
    await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
    assert.deepEqual(textsAt(home), []);
    db.joinMessage(late, chat);
    await agent.andThenWatches(() => agent.clock.advance(1_000));
    assert.deepEqual(textsAt(home), ["late"]);
    assert.equal(home.server.account.messages.get(late.guid)?.conversation, MAYA);
  }));

Deno.test("contacts are sent at the start, and again when the address book changes", () =>
  withChat(async ({ home }) => {
    writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    assert.equal(home.server.account.contacts.size, 1);
    await Deno.remove(home.addressBook, { recursive: true });
    writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA, "+15550100002"] }]);
    await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
    assert.equal(home.server.account.contacts.size, 2);
    // Maya's first number is sent once more: now it belongs to a person with two.
    assert.equal(agent.state.counts.contacts, 3);
  }));

Deno.test("a new pairing may be with another account, so it gets the contacts at once as well", () =>
  withChat(async ({ home, say }) => {
    writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    home.server.expireTokens();
    say("waits");
    agent.clock.advance(POLL_MS);
    await agent.untilPhase("pairing_ended");
    home.server.accounts.clear();
    await home.run("pair");
    await agent.andThenWatches(() => agent.clock.advance(POLL_MS));
    const { messages, contacts } = home.server.account;
    assert.deepEqual([messages.size, contacts.size], [1, 1]);
  }));

Deno.test("an idle agent calls the server every five minutes, and learns when the pairing has ended", () =>
  withChat(async ({ home }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    const { length } = home.server.requests;
    agent.clock.advance(5 * MINUTE_MS - 1);
    assert.equal(home.server.requests.length, length);
    home.server.deactivateAll();
    agent.clock.advance(1);
    assert.equal((await agent.untilPhase("pairing_ended")).lastError?.code, "device_deactivated");
    assert.equal(home.server.requests.length, length + 1);
  }));

Deno.test("the agent reports how many rows wait: before a long sync, with its batches, and every five minutes", () =>
  withChat(async ({ home, db, say }) => {
    db.store.atomically(() => {
      for (let index = 0; index < 4_000; index++) say(`${index}`);
    });
    const reported: (number | null)[] = [];
    home.server.interfere = () => {
      reported.push(home.server.account.lagRows);
      return null;
    };
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    const lags = [...new Set([...reported, home.server.account.lagRows])];
    assert.deepEqual([lags[0], lags[1], lags.at(-1)], [null, 4_000, 0]);
    assert.deepEqual(lags.slice(1), lags.slice(1).sort((a, b) => (b ?? 0) - (a ?? 0)));
    home.server.account.lagRows = null;
    await agent.andThenWatches(() => agent.clock.advance(5 * MINUTE_MS));
    assert.equal(home.server.account.lagRows, 0);
  }));

Deno.test("after a sleep every row is compared, for edits of any age may have come in the meantime", () =>
  withChat(async ({ home, db, say }) => {
    const old = say("old");
    db.store.atomically(() => {
      for (let index = 0; index < 6_000; index++) say(`${index}`);
    });
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    await agent.andThenWatches(() => {
      editMessage(db, { message: old, text: "edited", at: AT });
      agent.sleptMs = MINUTE_MS;
      agent.clock.advance(POLL_MS);
    });
    assert.ok(textsAt(home).includes("edited"));
  }));

Deno.test("an old tapback that is taken back without a trace is gone on the server, even if that was unreachable", () =>
  withChat(async ({ home, db, say }) => {
    const to = say("reacted to");
    const tapback = addTapback(db, { to, from: MAYA, kind: "love", sentAt: AT });
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    const reactions = () => home.server.account.messages.get(to.guid)?.message.reactions?.length;
    assert.equal(reactions(), 1);
    await agent.andThenWatches(() => agent.clock.advance(120 * MINUTE_MS));
    db.deleteMessage(tapback);
    home.server.interfere = ({ path }) =>
      path.endsWith("/messages") ? { status: "database_unavailable" } : null;
    agent.clock.advance(POLL_MS);
    await agent.untilPhase("server_unreachable");
    home.server.interfere = () => null;
    await agent.andThenWatches(() => agent.clock.advance(MINUTE_MS));
    assert.equal(reactions(), 0);
  }));

Deno.test("a clock that is set a day to the past or the future delays no heartbeat and no full sync", () =>
  withChat(async ({ home }) => {
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    for (const days of [-1, 1]) {
      agent.sleptMs = days * 24 * 60 * MINUTE_MS;
      await agent.andThenWatches(() => agent.clock.advance(5 * MINUTE_MS));
      const { length } = home.server.requests;
      await agent.andThenWatches(() => agent.clock.advance(5 * MINUTE_MS));
      assert.ok(home.server.requests.length > length, `${days} days`);
    }
  }));

Deno.test("the agent waits for a database that another program locks for a minute, then reads all of it", () =>
  withChat(async ({ home, db, say }) => {
    say("before");
    db.close({ checkpoint: true });
    using locker = new DatabaseSync(home.chatDb);
    locker.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE chat SET state = 3");
    await using agent = new RunningLiveAgent(home);
    assert.equal((await agent.untilPhase("database_unreadable")).lastError?.code, "locked");
    for (let seconds = 0; seconds < 60; seconds += 30) {
      const { nextTryAt } = agent.state;
      const failed = agent.until((next) => next.nextTryAt !== nextTryAt);
      agent.clock.advance(MINUTE_MS / 2);
      await failed;
      assert.equal(agent.state.lastError?.code, "locked");
    }
    locker.exec("COMMIT");
    locker.close();
    await agent.andThenWatches(() => agent.clock.advance(MINUTE_MS / 2));
    assert.deepEqual(textsAt(home), ["before"]);
  }));

Deno.test("a disk that takes no write keeps the cursor where it was, and once it does everything is there once", () =>
  withChat(async ({ home, say }) => {
    say("one");
    const log = join(home.dataDir, "agent.db-wal");
    await Deno.mkdir(join(log, "in the way"), { recursive: true });
    await using agent = new RunningLiveAgent(home);
    const { lastError } = await agent.untilPhase("failed");
    assert.match(lastError?.message ?? "", /^Cannot write .*agent\.db/);
    say("two");
    await Deno.remove(log, { recursive: true });
    await agent.andThenWatches(() => agent.clock.advance(MINUTE_MS));
    assert.deepEqual(textsAt(home), ["one", "two"]);
    assert.equal(home.server.account.inserted, 2);
  }));

Deno.test("a state that cannot be read is a failed sync and not the agent's end, and waits for its disk", () =>
  withChat(async ({ home, say }) => {
    say("one");
    const database = join(home.dataDir, "agent.db");
    await Deno.mkdir(database, { recursive: true });
    await using agent = new RunningLiveAgent(home);
    const { lastError, lagRows } = await agent.untilPhase("failed");
    assert.match(lastError?.message ?? "", /^Cannot write .*agent\.db/);
    assert.equal(lagRows, null);
    await Deno.remove(database);
    await agent.andThenWatches(() => agent.clock.advance(MINUTE_MS));
    assert.deepEqual(textsAt(home), ["one"]);
  }));

Deno.test("after a sleep the agent does not wait for the time that it had set", () =>
  withChat(async ({ home, say }) => {
    home.server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 600 });
    say("waits");
    await using agent = new RunningLiveAgent(home);
    await agent.untilPhase("server_unreachable");
    home.server.interfere = () => null;
    await agent.andThenWatches(() => {
      agent.sleptMs = MINUTE_MS;
      agent.clock.advance(POLL_MS);
    });
    assert.deepEqual(textsAt(home), ["waits"]);
  }));

Deno.test("an unexpected failure is shown by a code, without any content of what was being sent, and retried", () =>
  withChat(async ({ home, say }) => {
    say("a secret");
    await Deno.mkdir(join(home.dataDir, "agent.db-wal", "in the way"), { recursive: true });
    await using agent = new RunningLiveAgent(home);
    const { lastError, nextTryAt } = await agent.untilPhase("failed");
    assert.match(lastError?.message ?? "", /^Cannot write .*agent\.db/);
    await Deno.remove(join(home.dataDir, "agent.db-wal"), { recursive: true });
    await agent.andThenWatches(() => agent.clock.advance(Date.parse(nextTryAt ?? "") - agent.clock.now()));
    assert.deepEqual(textsAt(home), ["a secret"]);
    const written = agent.output.lines.join() + await home.dataFile("state.json") +
      JSON.stringify(agent.states);
    for (const secret of ["secret", MAYA]) assert.ok(!written.includes(secret), `${secret} was written`);
  }));

Deno.test("the state is on the disk for others to read, and the last one says that the agent has stopped", () =>
  withChat(async ({ home, say }) => {
    say("one");
    const agent = new RunningLiveAgent(home);
    await agent.untilPhase("watching");
    agent.clock.advance(1_000);
    await agent.stop();
    const stored = await agentStateStore(home.dataDir).load();
    assert.deepEqual(stored, { kind: "found", state: agent.state });
    assert.equal(agent.state.phase, "stopped");
    assert.deepEqual(await readRunningAgent(home.dataDir), { running: false, state: agent.state });
  }));
