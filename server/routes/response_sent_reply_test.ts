/** Tests that a draft says what was really sent in its place, and that it follows what happens to those messages. */
import assert from "node:assert/strict";
import { deletionSchema, messageListSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  generatedResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { syncDeletionsResponseSchema } from "../../contract/sync.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  type MessageInput,
  sendBatch,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";

/** Seconds after noon, who, what, and what else the message has. */
type Said = readonly [
  seconds: number,
  who: "me" | "them",
  text: string | null,
  change?: Partial<MessageInput>,
];

function timeOf(seconds: number): string {
  return new Date(Date.UTC(2024, 0, 1, 12) + seconds * 1_000).toISOString();
}

function messageOf([seconds, who, text, change = {}]: Said): MessageInput {
  const isOwn = who === "me";
  return syncMessage({
    imessageGuid: `at-${seconds}`,
    senderId: isOwn ? null : JOHN,
    direction: isOwn ? "outgoing" : "incoming",
    text,
    sentAt: timeOf(seconds),
    ...change,
  });
}

class Chat implements AsyncDisposable {
  private constructor(readonly server: ServerAppUnderTest, readonly token: string) {}

  static async start(): Promise<Chat> {
    const server = await startServerApp();
    return new Chat(server, (await server.pair()).token);
  }

  say(...said: Said[]) {
    return sendBatch(this, syncBatch(said.map(messageOf)));
  }

  async messages(conversationId: string) {
    const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
    return (await this.server.expect(path, { token: this.token, schema: messageListSchema })).messages;
  }

  /** A draft for the newest message; its id. */
  async draft(conversationId: string): Promise<string> {
    const [newest] = await this.messages(conversationId);
    const request = { token: this.token, body: { messageId: newest?.id }, schema: generatedResponseSchema };
    return (await this.server.expect(SERVER_PATHS.generateResponse, request)).responseId;
  }

  record(id: string) {
    return this.server.expect(pathOf(SERVER_PATHS.response, { id }), {
      token: this.token,
      schema: responseRecordSchema,
    });
  }

  /** What was sent in place of a draft: the texts of its messages; undefined for nothing. */
  async sent(id: string): Promise<(string | null)[] | undefined> {
    return (await this.record(id)).sentReply?.messages.map(({ text }) => text);
  }

  [Symbol.asyncDispose]() {
    return this.server[Symbol.asyncDispose]();
  }
}

const ASKED: Said = [0, "them", "Dinner at seven?"];

Deno.test("a draft stands beside what was sent in its place, in one record and in lists, with its bubbles", async () => {
  await using chat = await Chat.start();
  const { conversationId } = await chat.say([-60, "me", "before"], ASKED);
  const id = await chat.draft(conversationId);
  assert.equal((await chat.record(id)).sentReply, null);
  const bubbles: Said[] = [[60, "me", "Yes \uFFFC"], [90, "me", "at eight\r\nthen"]];
  for (let time = 0; time < 2; time++) await chat.say(...bubbles);
  const record = await chat.record(id);
  const newest = await chat.messages(conversationId);
  assert.deepEqual(record.sentReply, {
    text: "Yes\nat eight\nthen",
    messages: [
      { id: newest[1]?.id, text: "Yes \uFFFC", sentAt: timeOf(60), editedAt: null },
      { id: newest[0]?.id, text: "at eight\r\nthen", sentAt: timeOf(90), editedAt: null },
    ],
    answeredMessageId: record.messageId,
  });
  assert.match(record.response ?? "", /^Reply number 1/, "the draft is beside it");
  const list = await chat.server.expect(SERVER_PATHS.responses, {
    token: chat.token,
    schema: responseListSchema,
  });
  assert.deepEqual(list.responses, [record]);
});

Deno.test("what is sent in place of a draft ends with the next turn and leaves out what reached nobody", async (t) => {
  const late: Partial<MessageInput> = { editedAt: timeOf(500) };
  const cases: Record<string, [Said[], (string | null)[] | undefined]> = {
    "nothing yet": [[[30, "them", "Well?"]], undefined],
    "more of theirs, then the answer": [[[30, "them", "Well?"], [40, "me", "Yes"]], ["Yes"]],
    "until they write": [[[40, "me", "Yes"], [50, "them", "ok"], [60, "me", "see you"]], ["Yes"]],
    "until a picture of theirs": [[[40, "me", "Yes"], [50, "them", "\uFFFC"], [60, "me", "nice"]], ["Yes"]],
    "their reaction ends nothing": [[[40, "me", "Yes"], [50, "them", "Liked “Yes”"], [60, "me", "at 8"]], [
      "Yes",
      "at 8",
    ]],
    "nor a notice": [
      [[40, "me", "Yes"], [50, "them", "kept", { messageType: "system" }], [60, "me", "at 8"]],
      ["Yes", "at 8"],
    ],
    "until a pause": [[[40, "me", "Yes"], [161, "me", "something else"]], ["Yes"]],
    "the pause is between bubbles": [[[40, "me", "a"], [160, "me", "b"], [280, "me", "c"]], ["a", "b", "c"]],
    "a failed one": [[[40, "me", "Yes", { failed: true }]], undefined],
    "a failed one that was written again": [[[40, "me", "Yes", { failed: true }], [400, "me", "Yes!"]], [
      "Yes!",
    ]],
    "an unsent one": [[[40, "me", null, { retractedAt: timeOf(50) }]], undefined],
    "one bubble unsent": [[[40, "me", "a"], [50, "me", null, { retractedAt: timeOf(60) }], [60, "me", "c"]], [
      "a",
      "c",
    ]],
    "an edited one has its new words": [[[40, "me", "at 8", late]], ["at 8"]],
    "a note of an app": [[[40, "me", "closed all three rings", { messageType: "system" }]], undefined],
    "a reaction as a text": [[[40, "me", "Loved “Dinner at seven?”"]], undefined],
    "one in a language that nobody listed": [[[40, "me", "Zkz “Dinner at seven?”"]], undefined],
    "a reaction, later words": [[[40, "me", "Loved “Dinner at seven?”"], [900, "me", "Yes"]], ["Yes"]],
    "a picture": [[[40, "me", "\uFFFC"], [50, "me", "see"]], ["\uFFFC", "see"]],
  };
  for (const [name, [said, expected]] of Object.entries(cases)) {
    await t.step(name, async () => {
      await using chat = await Chat.start();
      const { conversationId } = await chat.say(ASKED);
      const id = await chat.draft(conversationId);
      await chat.say(...said);
      assert.deepEqual(await chat.sent(id), expected);
    });
  }
});

Deno.test("a sent reply changes with its messages: edited, failed later, unsent, deleted by Messages or by the person", async () => {
  await using chat = await Chat.start();
  const { server, token } = chat;
  const { conversationId } = await chat.say(ASKED);
  const id = await chat.draft(conversationId);
  await chat.say([40, "me", "one"], [50, "me", "two"], [60, "me", "three"], [70, "me", "four"], [
    80,
    "me",
    "five",
  ]);
  const newest = await chat.messages(conversationId);
  await chat.say([40, "me", "eins", { editedAt: timeOf(100) }]);
  await chat.say([50, "me", null, { retractedAt: timeOf(100) }]);
  await chat.say([60, "me", "three", { failed: true }]);
  assert.deepEqual(await chat.sent(id), ["eins", "four", "five"]);
  assert.equal((await chat.record(id)).sentReply?.messages[0]?.editedAt, timeOf(100));
  const gone = { token, body: { imessageGuids: ["at-70"] }, schema: syncDeletionsResponseSchema };
  assert.equal((await server.expect(SERVER_PATHS.syncDeletions, gone)).deleted, 1);
  assert.deepEqual(await chat.sent(id), ["eins", "five"]);
  for (const { id: message } of [newest[0], newest[4]].flatMap((found) => found ?? [])) {
    await server.expect(pathOf(SERVER_PATHS.message, { id: message }), {
      method: "DELETE",
      token,
      schema: deletionSchema,
    });
  }
  assert.equal((await chat.record(id)).sentReply, null);
  await chat.say([40, "me", "eins"], [80, "me", "five"]);
  assert.equal((await chat.record(id)).sentReply, null, "what the person deleted does not come back");
});

Deno.test("a draft that something else was written after says which message was really answered", async () => {
  await using chat = await Chat.start();
  const { conversationId } = await chat.say(ASKED);
  const first = await chat.draft(conversationId);
  await chat.say([30, "them", "Or rather tomorrow?"]);
  const second = await chat.draft(conversationId);
  await chat.say([60, "me", "Tomorrow!"]);
  const [one, two] = [await chat.record(first), await chat.record(second)];
  assert.deepEqual(one.sentReply, two.sentReply);
  assert.equal(one.sentReply?.answeredMessageId, two.messageId);
});
