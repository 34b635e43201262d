/** Tests reading conversations, messages and contacts, by page and by cursor. */
import assert from "node:assert/strict";
import {
  conversationListSchema,
  conversationResponseSchema,
  messageListSchema,
} from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  sendBatch,
  sendConversation,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";

Deno.test("conversations come with the latest active first, and one by its id", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const days = ["2024-01-02", "2024-01-03", "2024-01-01"];
  for (const day of days) {
    await sendBatch(
      { server, token },
      syncBatch([syncMessage({ sentAt: `${day}T00:00:00Z` })], { conversationImessageId: day }),
    );
  }
  const { conversations, total, page, pageSize } = await server.expect(SERVER_PATHS.conversations, {
    token,
    schema: conversationListSchema,
  });
  assert.deepEqual({ total, page, pageSize }, { total: 3, page: 1, pageSize: 20 });
  assert.deepEqual(conversations.map(({ imessageId }) => imessageId), [
    "2024-01-03",
    "2024-01-02",
    "2024-01-01",
  ]);
  const [latest] = conversations;
  assert.ok(latest);
  const { conversation } = await server.expect(pathOf(SERVER_PATHS.conversation, { id: latest.id }), {
    token,
    schema: conversationResponseSchema,
  });
  assert.deepEqual(conversation, latest);
  assert.deepEqual(
    { count: conversation.messageCount, name: conversation.displayName, isGroup: conversation.isGroup },
    { count: 1, name: "John Doe", isGroup: false },
  );
});

Deno.test("a conversation says what was written last, and whether it waits for an answer", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const sendLines = (chat: string, lines: readonly ["me" | "them", string][]) =>
    sendBatch(
      { server, token },
      syncBatch(
        lines.map(([who, text], minute) =>
          syncMessage({
            text,
            direction: who === "me" ? "outgoing" : "incoming",
            sentAt: new Date(Date.UTC(2024, 0, 1, 12, minute)).toISOString(),
          })
        ),
        { conversationImessageId: chat },
      ),
    );
  await sendLines("answered", [["them", "Dinner?"], ["me", "Yes"]]);
  await sendLines("waiting", [["me", "Hi"], ["them", "Dinner?"], ["them", "At eight?"]]);
  await sendLines("code", [["them", "Your verification code is 482913"]]);
  const { conversations } = await server.expect(SERVER_PATHS.conversations, {
    token,
    schema: conversationListSchema,
  });
  const said = conversations.map(({ imessageId, lastMessage, waiting, replyExpected }) => [
    imessageId,
    lastMessage?.direction,
    lastMessage?.text,
    waiting,
    replyExpected,
  ]);
  assert.deepEqual(said.sort(), [
    ["answered", "outgoing", "Yes", false, null],
    ["code", "incoming", "Your verification code is 482913", false, null],
    ["waiting", "incoming", "At eight?", true, true],
  ]);
  const known = conversations.filter(({ replyProbability }) => typeof replyProbability === "number");
  assert.deepEqual(known.map(({ imessageId }) => imessageId), ["waiting"]);
});

Deno.test("messages come newest first, page by page", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const texts = ["one", "two", "three", "four", "five"];
  const [first] = await sendConversation({ server, token }, { lines: texts.map((text) => ["me", text]) });
  assert.ok(first);
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: first.conversationId });
  const pages: (string | null)[][] = [];
  for (const page of [1, 2, 3, 4]) {
    const { messages, total } = await server.expect(`${path}?page=${page}&pageSize=2`, {
      token,
      schema: messageListSchema,
    });
    assert.equal(total, 5);
    pages.push(messages.map(({ text }) => text));
  }
  assert.deepEqual(pages, [["five", "four"], ["three", "two"], ["one"], []]);
});

Deno.test("a message is read in the middle of its page, and from there to both ends without a gap", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const texts = Array.from({ length: 23 }, (_, index) => `line ${index}`);
  const sent = await sendConversation({ server, token }, { lines: texts.map((text) => ["me", text]) });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: sent[0]?.conversationId ?? "" });
  const read = (query: string) =>
    server.expect(`${path}?pageSize=5&${query}`, { token, schema: messageListSchema });
  for (const [index, message] of sent.entries()) {
    const middle = await read(`around=${message.id}`);
    assert.equal(middle.messages.find(({ id }) => id === message.id)?.text, `line ${index}`);
    assert.ok(middle.messages.length <= 5 && middle.total === 23);
    const found = middle.messages.map(({ text }) => text);
    for (let cursor = middle.previousCursor; cursor;) {
      const page = await read(`cursor=${cursor}`);
      found.unshift(...page.messages.map(({ text }) => text));
      cursor = page.previousCursor;
    }
    for (let cursor = middle.nextCursor; cursor;) {
      const page = await read(`cursor=${cursor}`);
      found.push(...page.messages.map(({ text }) => text));
      cursor = page.nextCursor;
    }
    assert.deepEqual(found, texts.toReversed());
  }
});

Deno.test("a message of nowhere, of another conversation or of another account is not found", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const here = { lines: [["me", "one"]] } as const;
  const [own] = await sendConversation({ server, token }, here);
  const [other] = await sendConversation({ server, token }, { ...here, conversationImessageId: "other" });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: own?.conversationId ?? "" });
  const stranger = await server.pair();
  const statusOf = async (query: string, by = token) =>
    (await server.request(`${path}?${query}`, { token: by })).status;
  assert.equal(await statusOf(`around=${own?.id}`, stranger.token), 404);
  assert.equal(await statusOf(`around=${other?.id}`), 404);
  assert.equal(await statusOf(`around=${crypto.randomUUID()}`), 404);
  assert.equal(await statusOf("around=x"), 400);
  assert.equal(await statusOf(`around=${own?.id}&pageSize=2`), 400);
  assert.equal(await statusOf("cursor=~x"), 400);
  assert.equal(await statusOf("cursor=~"), 400);
});

Deno.test("a cursor continues where the last page ended, even if newer messages came in between", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const sent = await sendConversation({ server, token }, {
    lines: [["me", "one"], ["me", "two"], ["me", "three"]],
  });
  const id = sent[0]?.conversationId ?? "";
  const path = pathOf(SERVER_PATHS.conversationMessages, { id });
  const first = await server.expect(`${path}?pageSize=2`, { token, schema: messageListSchema });
  assert.deepEqual(first.messages.map(({ text }) => text), ["three", "two"]);
  await sendBatch(
    { server, token },
    syncBatch([syncMessage({ text: "new", sentAt: "2025-01-01T00:00:00Z" })]),
  );
  const next = await server.expect(`${path}?pageSize=2&cursor=${first.nextCursor}`, {
    token,
    schema: messageListSchema,
  });
  assert.deepEqual(next.messages.map(({ text }) => text), ["one"]);
  assert.equal(next.nextCursor, null);
});

const BAD_PAGES: [string, string][] = [
  ["page=0", "page"],
  ["page=-1", "page"],
  ["page=1000000000", "page"],
  ["page=1.5", "page"],
  ["page=x", "page"],
  ["pageSize=0", "pageSize"],
  ["pageSize=201", "pageSize"],
  ["cursor=abc", "cursor"],
  ["cursor=%00", "cursor"],
];

Deno.test("a page that cannot be is refused with its path", async (t) => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [query, path] of BAD_PAGES) {
    await t.step(query, async () => {
      const { details } = await server.refuse(`${SERVER_PATHS.conversations}?${query}`, {
        token,
        status: 400,
        code: "validation_failed",
      });
      assert.equal(details?.[0]?.path, path);
    });
  }
});

Deno.test("a page far behind the end is empty", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const list = await server.expect(`${SERVER_PATHS.conversations}?page=1000000`, {
    token,
    schema: conversationListSchema,
  });
  assert.deepEqual(list.conversations, []);
});

Deno.test("a conversation that does not exist is not found, and an id that is none is refused", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const path of [SERVER_PATHS.conversation, SERVER_PATHS.conversationMessages]) {
    await server.refuse(pathOf(path, { id: crypto.randomUUID() }), { token, status: 404, code: "not_found" });
    await server.refuse(pathOf(path, { id: "1" }), { token, status: 400, code: "validation_failed" });
  }
});
