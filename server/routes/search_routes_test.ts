/** Tests the search in messages: what is found, where in its text, and for whom. */
import assert from "node:assert/strict";
import { conversationResponseSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { MAX_SEARCH_LENGTH, searchResultListSchema } from "../../contract/search.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  sendBatch,
  sendConversation,
  type Sender,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";

async function search({ server, token }: Sender, query: Record<string, string>) {
  const path = `${SERVER_PATHS.search}?${new URLSearchParams(query)}`;
  return await server.expect(path, { token, schema: searchResultListSchema });
}

async function snippets(sender: Sender, q: string): Promise<string[]> {
  return (await search(sender, { q })).results.map(({ snippet }) => snippet);
}

Deno.test("messages are found by words, parts of them, Chinese and emoji", async (t) => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  const lines = [
    "Grüße aus MÜNCHEN",
    "Die Geburtstagsfeier ist um 8",
    "我们明天见面吧",
    "Danke 👍🏽!",
    "100 % sicher",
  ];
  await sendConversation(sender, { lines: lines.map((text) => [JOHN, text]) });
  const finds: [q: string, expected: string[]][] = [
    ["münchen", ["Grüße aus MÜNCHEN"]],
    ["  aus\tGRÜSSE", []],
    ["GRÜßE aus", ["Grüße aus MÜNCHEN"]],
    ["tagsfeier", ["Die Geburtstagsfeier ist um 8"]],
    ["明天", ["我们明天见面吧"]],
    ["明天 见", ["我们明天见面吧"]],
    ["👍🏽", ["Danke 👍🏽!"]],
    ["%", ["100 % sicher"]],
    ["_", []],
    ["'", []],
    ["die & feier", []],
    ["\u0007", []],
  ];
  for (const [q, expected] of finds) {
    await t.step(JSON.stringify(q), async () => assert.deepEqual(await snippets(sender, q), expected));
  }
});

Deno.test("a result says whose message it is, and where in the snippet the match is", async () => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  const text = `${"😀".repeat(200)} Termin beim Zahnarzt ${"und ".repeat(200)}`;
  const [message] = await sendConversation(sender, { lines: [[JOHN, text]] });
  assert.ok(message);
  const { results, ...page } = await search(sender, { q: "zahnarzt TERMIN" });
  assert.deepEqual(page, { total: 1, page: 1, pageSize: 20 });
  const [{ snippet, match, ...result } = assert.fail()] = results;
  assert.deepEqual(result, {
    messageId: message.id,
    conversationId: message.conversationId,
    senderId: JOHN,
    direction: "incoming",
    sentAt: message.sentAt,
  });
  assert.ok(match);
  assert.equal(snippet.slice(match.start, match.end), "Termin");
  assert.match(snippet, /^…(?:😀){29,30} Termin beim Zahnarzt und .*…$/u);
  assert.ok(snippet.length < 170 && snippet.isWellFormed(), snippet);
});

Deno.test("the snippet of a short text is the text", async () => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  await sendConversation(sender, { lines: [["me", "Bis <b>morgen</b>"]] });
  const { results } = await search(sender, { q: "B>MORGEN" });
  assert.deepEqual(results.map(({ snippet, match, senderId }) => [snippet, match, senderId]), [
    ["Bis <b>morgen</b>", { start: 5, end: 13 }, null],
  ]);
});

Deno.test("the search finds what is there now: edited by its new words, nothing deleted or unsent", async () => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  const [edited, unsent, deleted] = await sendConversation(sender, {
    lines: [[JOHN, "dinner one"], [JOHN, "dinner two"], [JOHN, "dinner three"]],
  });
  assert.ok(edited && unsent && deleted);
  assert.equal((await search(sender, { q: "dinner" })).total, 3);
  const at = "2024-01-01T13:00:00Z";
  const again = (message: typeof edited, change: Partial<Parameters<typeof syncMessage>[0]>) =>
    syncMessage({ imessageGuid: message.imessageGuid, sentAt: message.sentAt, ...change });
  await sendBatch(
    sender,
    syncBatch([
      again(edited, { text: "lunch", editedAt: at }),
      again(unsent, { text: "dinner two", retractedAt: at }),
    ]),
  );
  const { status } = await server.request(pathOf(SERVER_PATHS.message, { id: deleted.id }), {
    ...sender,
    method: "DELETE",
  });
  assert.equal(status, 200);
  assert.deepEqual(await snippets(sender, "dinner"), []);
  assert.deepEqual(await snippets(sender, "lunch"), ["lunch"]);
});

Deno.test("the search covers direct and group conversations, or the one that is named", async () => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  const [direct] = await sendConversation(sender, { lines: [[JOHN, "pizza for two"]] });
  const [group] = await sendConversation(sender, {
    lines: [["+15550199", "pizza for all"]],
    conversationImessageId: "chat123",
    isGroup: true,
    participantIds: [JOHN, "+15550199"],
  });
  assert.ok(direct && group);
  const { conversation } = await server.expect(
    pathOf(SERVER_PATHS.conversation, { id: group.conversationId }),
    {
      token: sender.token,
      schema: conversationResponseSchema,
    },
  );
  assert.ok(conversation.isGroup);
  assert.deepEqual((await snippets(sender, "pizza")).sort(), ["pizza for all", "pizza for two"]);
  const named = async (conversationId: string) =>
    (await search(sender, { q: "pizza", conversationId })).results.map(({ snippet }) => snippet);
  assert.deepEqual(await named(group.conversationId), ["pizza for all"]);
  assert.deepEqual(await named(direct.conversationId.toUpperCase()), ["pizza for two"]);
  assert.deepEqual(await named(crypto.randomUUID()), []);
});

Deno.test("the search finds nothing of another account, also not by its conversation", async () => {
  await using server = await startServerApp();
  const [mine, theirs] = [await server.pair(), await server.pair()];
  const [message] = await sendConversation({ server, token: theirs.token }, {
    lines: [[JOHN, "secret plan"]],
  });
  assert.ok(message);
  const sender = { server, token: mine.token };
  assert.equal((await search({ server, token: theirs.token }, { q: "secret" })).total, 1);
  assert.equal((await search(sender, { q: "secret" })).total, 0);
  assert.equal((await search(sender, { q: "secret", conversationId: message.conversationId })).total, 0);
});

Deno.test("results come page by page, whole words first and then the newest", async () => {
  await using server = await startServerApp();
  const sender = { server, token: (await server.pair()).token };
  const texts = ["Feier 1", "Feier 2", "Geburtstagsfeier", "Feier 3", "nichts"];
  await sendConversation(sender, { lines: texts.map((text) => ["me", text]) });
  const pages: string[][] = [];
  for (const page of ["1", "2", "3", "1000000"]) {
    const { results, ...fields } = await search(sender, { q: "feier", page, pageSize: "2" });
    assert.deepEqual(fields, { total: 4, page: Number(page), pageSize: 2 });
    pages.push(results.map(({ snippet }) => snippet));
  }
  assert.deepEqual(pages, [["Feier 3", "Feier 2"], ["Feier 1", "Geburtstagsfeier"], [], []]);
});

const BAD_QUERIES: [query: string, path: string][] = [
  ["", "q"],
  ["q=", "q"],
  ["q=%20%09", "q"],
  ["q=%00", "q"],
  [`q=${"x".repeat(MAX_SEARCH_LENGTH + 1)}`, "q"],
  ["q=x&page=0", "page"],
  ["q=x&pageSize=201", "pageSize"],
  ["q=x&conversationId=1", "conversationId"],
];

Deno.test("a search that cannot be is refused with its path", async (t) => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [query, path] of BAD_QUERIES) {
    await t.step(query, async () => {
      const { details } = await server.refuse(`${SERVER_PATHS.search}?${query}`, {
        token,
        status: 400,
        code: "validation_failed",
      });
      assert.equal(details?.[0]?.path, path);
    });
  }
  await t.step("the longest, and many words", async () => {
    const sender = { server, token };
    assert.equal((await search(sender, { q: "x".repeat(MAX_SEARCH_LENGTH) })).total, 0);
    assert.equal((await search(sender, { q: "\\ ".repeat(MAX_SEARCH_LENGTH / 2) })).total, 0);
    assert.equal((await search(sender, { q: Array.from({ length: 66 }, (_, n) => n).join(" ") })).total, 0);
  });
});

Deno.test("a device that may only sync may not search", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair({ scope: "sync" });
  await server.refuse(`${SERVER_PATHS.search}?q=x`, { token, status: 403, code: "scope_insufficient" });
});
