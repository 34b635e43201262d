// Tests of sending: a real child process in place of osascript writes what Messages would into a real chat.db.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, UserError } from "../../../lib/errors.ts";
import {
  type Chat,
  type ChatDb,
  type ChatOptions,
  createChatDb,
  type Message,
} from "../../../tests/support/chat_db/chat_db_fixture.ts";
import {
  fakeOsascript,
  type FakeSending,
  osascriptCalls,
} from "../../../tests/support/mac/fake_osascript.ts";
import { sendDependencies, type SendingPlaces } from "../../../tests/support/mac/send_reply_process.ts";
import { createMessagesApp } from "../../platform/messages_app.ts";
import { createScriptHost } from "../../platform/osascript.ts";
import { systemCommands } from "../../platform/command_runner.ts";
import { AgentStore } from "../../state/agent_store.ts";
import { loadSendLog } from "./send_log.ts";
import { type Reply, type SendDependencies, sendReply } from "./send_reply.ts";
import type { SendOutcome } from "./delivery_status.ts";

const ADA = "+15550100001";
const GRACE = "+15550100002";
const SENT_AT = "2026-01-01T10:00:00Z";
const PROCESS = fileURLToPath(new URL("../../../tests/support/mac/send_reply_process.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

interface WorldOptions {
  sending?: FakeSending;
  chat?: ChatOptions;
  reportTo?: number;
}

/** A chat.db with a message that waits for an answer, and an osascript that behaves as the test says. */
class World implements AsyncDisposable {
  readonly chat: Chat;
  readonly message: Message;
  responseId: string = crypto.randomUUID();

  private constructor(
    readonly db: ChatDb,
    readonly places: SendingPlaces & { dir: string },
    chat: ChatOptions,
  ) {
    this.chat = db.addChat(chat);
    db.addChat({ identifier: GRACE });
    this.message = db.addMessage({ chat: this.chat, from: ADA, text: "Dinner?", sentAt: SENT_AT });
  }

  static async create(options: WorldOptions = {}): Promise<World> {
    const { sending = "deliver", chat = { identifier: ADA }, reportTo } = options;
    const dir = await Deno.makeTempDir({ prefix: "send-" });
    const chatDb = join(dir, "chat.db");
    const osascript = await fakeOsascript({ dir, chatDb, sending, reportTo });
    return new World(createChatDb(chatDb), { dir, chatDb, osascript, dataDir: join(dir, "data") }, chat);
  }

  reply(change: Partial<Reply> = {}): Reply {
    return { responseId: this.responseId, messageGuid: this.message.guid, text: "Yes, at 7 👍", ...change };
  }

  send(change: Partial<Reply> = {}, dependencies: Partial<SendDependencies> = {}): Promise<SendOutcome> {
    return sendReply({ ...sendDependencies(this.places), ...dependencies }, this.reply(change));
  }

  async refused(says: RegExp, change: Partial<Reply> = {}): Promise<void> {
    await assert.rejects(
      this.send(change),
      (error) => error instanceof UserError && says.test(messageOf(error)),
    );
  }

  get calls(): Promise<number> {
    return osascriptCalls(this.places.osascript);
  }

  /** What the log of sent replies holds on the disk. */
  async sendLog(): Promise<{ text: string; outcomes: (string | null)[] }> {
    const entries = loadSendLog(new AgentStore(this.places.dataDir, "suggestions"));
    const file = await Deno.readFile(join(this.places.dataDir, "agent.db"));
    return { text: new TextDecoder("latin1").decode(file), outcomes: entries.map(({ outcome }) => outcome) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.db.close();
    await Deno.remove(this.places.dir, { recursive: true });
  }
}

/** A clock on which each wait takes its time at once, and what happens in Messages during each of them. */
function steppedClock(steps: (() => unknown)[]): Pick<SendDependencies, "now" | "wait" | "confirmTimeoutMs"> {
  let nowMs = Date.now();
  return {
    confirmTimeoutMs: 20_000,
    now: () => nowMs,
    wait: (durationMs) => {
      nowMs += durationMs;
      return Promise.resolve(void steps.shift()?.());
    },
  };
}

const OUTCOMES: Record<Exclude<FakeSending, "hang">, SendOutcome["kind"]> = {
  deliver: "delivered",
  send: "sent",
  error: "failed",
  refuse: "failed",
  nothing: "unknown",
  ghost: "unknown",
  elsewhere: "unknown",
};

for (const [sending, kind] of Object.entries(OUTCOMES) as [FakeSending, SendOutcome["kind"]][]) {
  Deno.test(`a text that Messages is asked to send and that meets "${sending}" is ${kind}, as chat.db shows`, async () => {
    await using world = await World.create({ sending });
    const outcome = await world.send();
    assert.equal(outcome.kind, kind, outcome.message);
    assert.deepEqual((await world.sendLog()).outcomes, [kind]);
    assert.equal(await world.calls, 1);
  });
}

/** Writes what Messages makes of a text that it was asked to send, after it has taken it. */
async function outcomeAfter(
  text: string,
  write: (world: World) => unknown,
  sending: FakeSending = "nothing",
): Promise<SendOutcome["kind"]> {
  await using world = await World.create({ sending });
  const steps = [() => {}, () => write(world)];
  return (await world.send({ text }, steppedClock(steps))).kind;
}

const OWN = { from: "me", sentAt: "2026-01-01T10:01:00Z" } as const;
const SENT = { is_sent: 1, is_delivered: 1 };

Deno.test("a text whose link Messages splits off into rows of its own was delivered once all of them were", async () => {
  const text = "Look at this: https://example.test/b and tell me";
  const pieces = ["Look at this:", "https://example.test/b", "and tell me"];
  const write = (last: Record<string, number>) => ({ db, chat }: World) => {
    for (const [index, piece] of pieces.entries()) {
      db.addMessage({ ...OWN, chat, text: piece, columns: index === 2 ? last : SENT });
    }
  };
  assert.equal(await outcomeAfter(text, write(SENT)), "delivered");
  assert.equal(await outcomeAfter(text, write({ is_sent: 1, is_delivered: 0 })), "sent");
  assert.equal(await outcomeAfter(text, write({ is_sent: 0, is_delivered: 0, error: 22 })), "failed");
  assert.equal(
    await outcomeAfter("Look:\nhttps://example.test/b", ({ db, chat }) => {
      for (const piece of ["Look:", "https://example.test/b"]) {
        db.addMessage({ ...OWN, chat, text: piece, columns: SENT });
      }
    }),
    "delivered",
  );
});

Deno.test("a text with several links, each in a row of its own, was sent, also where rows failed and went out as SMS", async () => {
  const text = "First https://a.example.test, then https://b.example.test\n\nand https://c.example.test!";
  const pieces = [
    "First",
    "https://a.example.test",
    ", then",
    "https://b.example.test",
    "and",
    "https://c.example.test",
    "!",
  ];
  const FAILED = { is_sent: 0, is_delivered: 0, error: 22 };
  const add = ({ db, chat }: World, piece: string, columns: Record<string, number>) =>
    db.addMessage({ ...OWN, chat, text: piece, columns });
  assert.equal(
    await outcomeAfter(text, (world) => pieces.forEach((piece) => add(world, piece, SENT))),
    "delivered",
  );
  assert.equal(
    await outcomeAfter(text, (world) => {
      for (const piece of pieces) for (const columns of [FAILED, SENT]) add(world, piece, columns);
    }),
    "delivered",
    "each row failed, and its SMS came right behind it",
  );
  assert.equal(
    await outcomeAfter(text, (world) => {
      for (const piece of pieces) add(world, piece, piece === "and" ? FAILED : SENT);
    }),
    "failed",
    "one row is missing to the other side",
  );
});

Deno.test("a text that Messages writes into a new chat row of the same conversation is found there", async () => {
  assert.equal(
    await outcomeAfter("Yes", ({ db }) => {
      const chat = db.addChat({ identifier: ADA, service: "SMS", guidPrefix: "SMS" });
      db.addMessage({ ...OWN, chat, text: "Yes", service: "SMS", columns: { is_sent: 1 } });
    }),
    "sent",
  );
  assert.equal(
    await outcomeAfter("Yes", ({ db }) => {
      const chat = db.addChat({ identifier: GRACE, service: "SMS", guidPrefix: "SMS" });
      db.addMessage({ ...OWN, chat, text: "Yes", service: "SMS", columns: { is_sent: 1 } });
    }),
    "unknown",
    "somebody else's chat",
  );
});

Deno.test("a text that fails and then goes out as an SMS was sent", async () => {
  assert.equal(
    await outcomeAfter("Yes", ({ db, chat }) => {
      db.addMessage({ ...OWN, chat, text: "Yes", service: "SMS", columns: { is_sent: 1 } });
    }, "error"),
    "sent",
  );
});

Deno.test("what was sent, and what may have been, is never sent again; what failed may be", async () => {
  for (
    const [sending, says] of [["deliver", /sent and delivered/], ["send", /sent already/], [
      "nothing",
      /is not known/,
    ]] as const
  ) {
    await using world = await World.create({ sending });
    await world.send();
    // Own messages in the chat are no longer what stops it: the log is.
    await world.refused(says);
    assert.equal(await world.calls, 1);
  }
  await using failing = await World.create({ sending: "error" });
  await failing.send();
  assert.equal((await failing.send()).kind, "failed");
  assert.equal(await failing.calls, 2);
  assert.deepEqual((await failing.sendLog()).outcomes, ["failed"]);
});

Deno.test("the log of sent replies holds no words, no names and no numbers, and only its user may read it", async () => {
  await using world = await World.create();
  await world.send({ text: "Meet me at the station" });
  const { text } = await world.sendLog();
  for (const secret of ["Meet", "station", ADA, "15550100001"]) assert.ok(!text.includes(secret), secret);
  const { mode } = await Deno.stat(join(world.places.dataDir, "agent.db"));
  assert.equal((mode ?? 0) & 0o777, 0o600);
});

Deno.test("the agent waits for a message, and for a receipt, that comes while it watches", async () => {
  await using world = await World.create({ sending: "nothing" });
  const steps = [
    () => world.db.addMessage({ chat: world.chat, from: "me", text: "Something else", sentAt: SENT_AT }),
    () =>
      world.db.addMessage({
        chat: world.chat,
        from: "me",
        text: "Yes, at 7 👍",
        sentAt: SENT_AT,
        columns: { is_sent: 0 },
      }),
    () => world.db.store.run("UPDATE message SET is_sent = 1 WHERE ROWID = (SELECT MAX(ROWID) FROM message)"),
    () =>
      world.db.store.run(
        "UPDATE message SET is_delivered = 1 WHERE ROWID = (SELECT MAX(ROWID) FROM message)",
      ),
  ];
  assert.equal((await world.send({}, steppedClock(steps))).kind, "delivered");
  assert.equal(steps.length, 0);
});

Deno.test("the same words from the other side, or from before, are not taken for what was sent", async () => {
  await using world = await World.create({ sending: "nothing" });
  const text = "Yes, at 7 👍";
  world.db.addMessage({ chat: world.chat, from: "me", text, sentAt: SENT_AT });
  const again = world.db.addMessage({ chat: world.chat, from: ADA, text: "And tomorrow?", sentAt: SENT_AT });
  const clock = steppedClock([
    () => world.db.addMessage({ chat: world.chat, from: ADA, text, sentAt: SENT_AT }),
  ]);
  assert.equal((await world.send({ messageGuid: again.guid }, clock)).kind, "unknown");
});

Deno.test("a text message without receipts is sent at once, and is not waited for", async () => {
  await using world = await World.create({
    sending: "nothing",
    chat: { identifier: ADA, service: "SMS", guidPrefix: "SMS" },
  });
  const steps = [
    () => world.db.addMessage({ chat: world.chat, from: "me", text: "Yes, at 7 👍", sentAt: SENT_AT }),
    () => assert.fail("nothing more can come"),
  ];
  assert.equal((await world.send({}, steppedClock(steps))).kind, "sent");
  assert.equal(steps.length, 1);
});

Deno.test("an osascript that hangs is stopped; when the message appears anyway it was sent", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using world = await World.create({ sending: "hang", reportTo: listener.addr.port });
  const messages = createMessagesApp(createScriptHost(systemCommands(), world.places.osascript), {
    sendTimeoutMs: 500,
  });
  assert.equal((await world.send({}, { messages })).kind, "unknown");
  world.responseId = crypto.randomUUID();
  const clock = steppedClock([
    () => world.db.addMessage({ chat: world.chat, from: "me", text: "Yes, at 7 👍", sentAt: SENT_AT }),
  ]);
  assert.equal((await world.send({}, { messages, ...clock })).kind, "sent");
});

Deno.test("an agent killed while Messages has the text leaves an intent, and the next one never sends it again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using world = await World.create({ sending: "hang", reportTo: listener.addr.port });
  const request = JSON.stringify({ places: world.places, reply: world.reply() });
  const agent = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", "--quiet", "--config", CONFIG, PROCESS, request],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const osascript = await listener.accept();
  agent.kill("SIGKILL");
  await agent.status;
  osascript.close();
  assert.deepEqual((await world.sendLog()).outcomes, [null]);
  await world.refused(/is not known/);
  assert.deepEqual((await world.sendLog()).outcomes, ["unknown"]);
  assert.equal(await world.calls, 1);
});

Deno.test("a send that a crash left open gets its outcome from the message that chat.db shows", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using world = await World.create({ sending: "hang", reportTo: listener.addr.port });
  const request = JSON.stringify({ places: world.places, reply: world.reply() });
  const agent = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", "--quiet", "--config", CONFIG, PROCESS, request],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const osascript = await listener.accept();
  agent.kill("SIGKILL");
  await agent.status;
  osascript.close();
  world.db.addMessage({ chat: world.chat, from: "me", text: "Yes, at 7 👍", sentAt: SENT_AT });
  await world.refused(/sent already/);
  assert.deepEqual((await world.sendLog()).outcomes, ["sent"]);
});

Deno.test("chats that Messages would lose a text in are refused before anything is asked of it", async () => {
  const refused: [ChatOptions, RegExp][] = [
    [{ identifier: "urn:biz:0f1e2d3c" }, /Chats with businesses/],
    [
      { identifier: "chat123", group: true, participants: [ADA], columns: { guid: "any;-;chat123" } },
      /lose a text for this group/,
    ],
    [{
      identifier: "chat124",
      group: false,
      participants: [ADA],
      columns: { guid: "any;-;chat124", style: null },
    }, /lose a text for this group/],
    [{ identifier: ADA, columns: { guid: "" } }, /no longer in a chat/],
  ];
  for (const [chat, says] of refused) {
    await using world = await World.create({ chat });
    await world.refused(says);
    assert.equal(await world.calls, 0);
  }
});

Deno.test("groups and chats of every service are written to by the guid of the chat that the message lies in", async () => {
  const chats: ChatOptions[] = [
    { identifier: "chat125", participants: [ADA, GRACE], guidPrefix: "any" },
    { identifier: "chat126", participants: [ADA, GRACE], guidPrefix: "iMessage" },
    { identifier: ADA, guidPrefix: "any" },
    { identifier: ADA, service: "SMS", guidPrefix: "SMS" },
  ];
  for (const chat of chats) {
    await using world = await World.create({ chat });
    assert.equal((await world.send()).kind, "delivered", world.chat.guid);
  }
});

Deno.test("a message that is gone, in no chat, or answered since is not replied to", async () => {
  await using world = await World.create();
  await world.refused(/no longer in a chat/, { messageGuid: "gone" });
  const orphan = world.db.addMessage({ chat: null, from: ADA, text: "?", sentAt: SENT_AT });
  await world.refused(/no longer in a chat/, { messageGuid: orphan.guid });
  world.db.addMessage({ chat: world.chat, from: "me", text: "Already answered", sentAt: SENT_AT });
  await world.refused(/You have written in this conversation since/);
  assert.equal(await world.calls, 0);
});

Deno.test("a failed attempt in the chat does not count as an answer", async () => {
  await using world = await World.create();
  const columns = { error: 22, is_sent: 0 };
  world.db.addMessage({ chat: world.chat, from: "me", text: "Yes", sentAt: SENT_AT, columns });
  assert.equal((await world.send()).kind, "delivered");
});

Deno.test("an answer in another chat of the same person counts, since it is one conversation", async () => {
  await using world = await World.create();
  const sms = world.db.addChat({ identifier: ADA, service: "SMS", guidPrefix: "SMS" });
  world.db.addMessage({ chat: sms, from: "me", text: "Answered by SMS", sentAt: SENT_AT });
  await world.refused(/You have written in this conversation since/);
});

Deno.test("an approval that fails stops the sending, and one is asked for only when nothing else speaks against it", async () => {
  await using world = await World.create();
  await assert.rejects(
    world.send({ approve: () => Promise.reject(new UserError("The server said no")) }),
    /said no/,
  );
  let asked = 0;
  const approve = () => Promise.resolve(asked++);
  await world.refused(/no longer in a chat/, { messageGuid: "gone", approve });
  assert.equal(await world.calls, 0);
  assert.equal(asked, 0);
  assert.equal((await world.send({ approve })).kind, "delivered");
  assert.equal(asked, 1);
});

Deno.test("an answer that the person writes while the action is being reported keeps the draft from being sent", async () => {
  await using world = await World.create();
  const approve = () => {
    world.db.addMessage({ chat: world.chat, from: "me", text: "My own answer", sentAt: SENT_AT });
    return Promise.resolve();
  };
  await world.refused(/You have written in this conversation since/, { approve });
  assert.equal(await world.calls, 0);
});

Deno.test("a send log that cannot be read stops all sending, with a sentence", async () => {
  await using world = await World.create();
  await Deno.mkdir(world.places.dataDir);
  await Deno.writeTextFile(join(world.places.dataDir, "sent_replies.json"), `{"version":1,"entries":[{}]}`);
  await world.refused(/^The log of sent replies in .* cannot be read, so nothing is sent/);
  assert.equal(await world.calls, 0);
});

Deno.test("of two agents that send at the same moment one is refused", async () => {
  await using world = await World.create();
  using _lock = await sendDependencies(world.places).lock("send");
  await world.refused(/Another agent is already running/);
  assert.equal(await world.calls, 0);
});
