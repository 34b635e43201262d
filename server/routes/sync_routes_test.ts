/** Tests the sync endpoints: what a batch changes, and that a refused batch changes nothing. */
import assert from "node:assert/strict";
import {
  contactListSchema,
  conversationListSchema,
  messageListSchema,
} from "../../contract/conversations.ts";
import type { ErrorCode } from "../../contract/errors.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { MAX_TEXT_LENGTH } from "../../contract/scalars.ts";
import {
  MAX_SYNC_BODY_BYTES,
  MAX_SYNC_MESSAGES,
  syncContactsResponseSchema,
  syncDeletionsResponseSchema,
  syncHeartbeatResponseSchema,
  syncStatusResponseSchema,
} from "../../contract/sync.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import {
  type MessageInput,
  sendBatch,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";

async function storedMessages(server: ServerAppUnderTest, token: string): Promise<number> {
  const { messages } = await server.expect(SERVER_PATHS.syncStatus, {
    token,
    schema: syncStatusResponseSchema,
  });
  return messages;
}

Deno.test("a batch is stored, and sending it again changes nothing and says so", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const body = syncBatch([syncMessage(), syncMessage({ direction: "outgoing", senderId: null, text: "Hi" })]);
  const first = await sendBatch({ server, token }, body);
  assert.deepEqual({ ...first, conversationId: "" }, {
    conversationId: "",
    inserted: 2,
    updated: 0,
    unchanged: 0,
  });
  const again = await sendBatch({ server, token }, body);
  assert.deepEqual(again, { conversationId: first.conversationId, inserted: 0, updated: 0, unchanged: 2 });
});

Deno.test("an edit and an unsend change what is stored", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const original = syncMessage();
  const { conversationId } = await sendBatch({ server, token }, syncBatch([original]));
  const edited = { ...original, text: "Hello there!", editedAt: "2024-01-01T12:01:00Z" };
  assert.equal((await sendBatch({ server, token }, syncBatch([edited]))).updated, 1);
  const retracted = { ...edited, text: null, retractedAt: "2024-01-01T12:02:00Z" };
  assert.equal((await sendBatch({ server, token }, syncBatch([retracted]))).updated, 1);
  const { messages } = await server.expect(
    pathOf(SERVER_PATHS.conversationMessages, { id: conversationId }),
    { token, schema: messageListSchema },
  );
  assert.equal(messages[0]?.retractedAt, "2024-01-01T12:02:00.000Z");
});

Deno.test("every optional field of a message comes back as it was sent", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const sent = syncMessage({
    text: "Grüße 👩‍👩‍👧 ‏שלום",
    readAt: "2024-01-01T12:03:00.000Z",
    deliveredAt: "2024-01-01T12:00:01.000Z",
    replyToGuid: "guid-0",
    reactions: [{ kind: "emoji", emoji: "🎉", senderId: null, reactedAt: "2024-01-01T12:00:05.000Z" }],
    attachments: [{ guid: "at-1", mimeType: "image/heic", name: "IMG_0001.HEIC", sizeBytes: 123 }],
  });
  const { conversationId } = await sendBatch({ server, token }, syncBatch([sent]));
  const { messages } = await server.expect(
    pathOf(SERVER_PATHS.conversationMessages, { id: conversationId }),
    { token, schema: messageListSchema },
  );
  const { id, conversationId: _, ...stored } = messages[0] ?? {};
  assert.ok(id);
  assert.deepEqual(stored, {
    ...sent,
    messageType: "text",
    sentAt: "2024-01-01T12:00:00.000Z",
    editedAt: null,
    retractedAt: null,
  });
});

Deno.test("a batch of 1,000 messages with 10 bad ones names them, and nothing of it is stored", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const bad = new Set([3, 99, 100, 250, 333, 500, 501, 777, 998, 999]);
  const messages = Array.from({ length: MAX_SYNC_MESSAGES }, (_, index) => {
    return bad.has(index) ? syncMessage({ sentAt: "yesterday" }) : syncMessage();
  });
  const { details } = await server.refuse(SERVER_PATHS.syncMessages, {
    token,
    body: syncBatch(messages),
    status: 400,
    code: "validation_failed",
  });
  assert.deepEqual(details?.map(({ path }) => path), [...bad].map((index) => `messages.${index}.sentAt`));
  assert.equal(await storedMessages(server, token), 0);
  const { total } = await server.expect(SERVER_PATHS.conversations, {
    token,
    schema: conversationListSchema,
  });
  assert.equal(total, 0, "not even the conversation is stored");
});

const BAD_MESSAGES: [string, Partial<Record<keyof MessageInput, unknown>>, string][] = [
  ["a NUL in its text", { text: "a\0b" }, "messages.0.text"],
  ["a lone surrogate in its text", { text: "a\udc00" }, "messages.0.text"],
  ["a text above the limit", { text: "x".repeat(MAX_TEXT_LENGTH + 1) }, "messages.0.text"],
  ["a number for a text", { text: 1 }, "messages.0.text"],
  ["an unknown direction", { direction: "sideways" }, "messages.0.direction"],
  ["an unknown type", { messageType: "hologram" }, "messages.0.messageType"],
  ["a time without a zone", { sentAt: "2024-01-01T12:00:00" }, "messages.0.sentAt"],
  ["a 30th of February", { sentAt: "2024-02-30T12:00:00Z" }, "messages.0.sentAt"],
  ["no guid", { imessageGuid: undefined }, "messages.0.imessageGuid"],
  ["an empty guid", { imessageGuid: "" }, "messages.0.imessageGuid"],
  ["an unknown reaction", { reactions: [{ kind: "shrug", senderId: null }] }, "messages.0.reactions.0.kind"],
  ["a negative size", { attachments: [{ guid: "a", sizeBytes: -1 }] }, "messages.0.attachments.0.sizeBytes"],
];

Deno.test("a faulty message is refused with the path of its fault, and nothing is stored", async (t) => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [what, change, path] of BAD_MESSAGES) {
    await t.step(what, async () => {
      const { details } = await server.refuse(SERVER_PATHS.syncMessages, {
        token,
        body: syncBatch([syncMessage(change as Partial<MessageInput>), syncMessage()]),
        status: 400,
        code: "validation_failed",
      });
      assert.deepEqual(details?.map((fault) => fault.path), [path]);
    });
  }
  assert.equal(await storedMessages(server, token), 0);
});

Deno.test("empty texts and texts of 100 kB are stored", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const messages = [
    syncMessage({ text: "" }),
    syncMessage({ text: "x".repeat(100_000) }),
    syncMessage({ text: null }),
  ];
  assert.equal((await sendBatch({ server, token }, syncBatch(messages))).inserted, 3);
});

const BAD_BODIES: [string, RequestInit, number, ErrorCode][] = [
  ["malformed JSON", { body: "{", headers: { "content-type": "application/json" } }, 400, "malformed_json"],
  ["no body", { headers: { "content-type": "application/json" } }, 400, "malformed_json"],
  ["no content type", { body: new TextEncoder().encode("{}") }, 400, "unsupported_media_type"],
  [
    "a wrong content type",
    { body: "{}", headers: { "content-type": "text/plain" } },
    400,
    "unsupported_media_type",
  ],
  ["a list", { body: "[]", headers: { "content-type": "application/json" } }, 400, "validation_failed"],
  ["null", { body: "null", headers: { "content-type": "application/json" } }, 400, "validation_failed"],
];

Deno.test("a body that is no batch is refused", async (t) => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [what, init, status, code] of BAD_BODIES) {
    await t.step(what, async () => {
      const headers = { ...init.headers, authorization: `Bearer ${token}` };
      const response = await server.send(SERVER_PATHS.syncMessages, { method: "POST", ...init, headers });
      const body = await response.json();
      assert.deepEqual({ status: response.status, code: body.code }, { status, code });
      assert.equal(body.details.length > 0, true);
    });
  }
});

Deno.test("a body above the limit is answered with 413, with and without a content length", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const body = " ".repeat(MAX_SYNC_BODY_BYTES + 1);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const large = await server.send(SERVER_PATHS.syncMessages, {
    method: "POST",
    body,
    headers: { ...headers, "content-length": String(body.length) },
  });
  assert.deepEqual([large.status, (await large.json()).code], [413, "payload_too_large"]);
  const streamed = await server.send(SERVER_PATHS.syncMessages, {
    method: "POST",
    body: new Blob([body]).stream(),
    headers,
  });
  assert.deepEqual([streamed.status, (await streamed.json()).code], [413, "payload_too_large"]);
  assert.equal(await storedMessages(server, token), 0);
});

Deno.test("a batch of more than 1,000 messages is refused", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const { details } = await server.refuse(SERVER_PATHS.syncMessages, {
    token,
    body: syncBatch(Array.from({ length: MAX_SYNC_MESSAGES + 1 }, () => syncMessage())),
    status: 400,
    code: "validation_failed",
  });
  assert.equal(details?.[0]?.path, "messages");
});

Deno.test("contacts are stored by identity and read back", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const contact = {
    appleId: "john@icloud.com",
    phoneNumber: "+1234567890",
    email: "john@example.com",
    displayName: "John Doe",
    avatarHash: null,
  };
  const send = (contacts: unknown[]) =>
    server.expect(SERVER_PATHS.syncContacts, {
      token,
      body: { contacts },
      schema: syncContactsResponseSchema,
    });
  assert.deepEqual(await send([contact]), { inserted: 1, updated: 0, unchanged: 0 });
  assert.deepEqual(await send([contact]), { inserted: 0, updated: 0, unchanged: 1 });
  assert.deepEqual(await send([{ ...contact, displayName: "Johnny" }]), {
    inserted: 0,
    updated: 1,
    unchanged: 0,
  });
  const { contacts, total } = await server.expect(SERVER_PATHS.contacts, {
    token,
    schema: contactListSchema,
  });
  assert.equal(total, 1);
  const { id: _, ...stored } = contacts[0] ?? {};
  assert.deepEqual(stored, { ...contact, displayName: "Johnny" });
  const { details } = await server.refuse(SERVER_PATHS.syncContacts, {
    token,
    body: { contacts: [contact, { displayName: "Nobody" }] },
    status: 400,
    code: "validation_failed",
  });
  assert.equal(details?.[0]?.path, "contacts.1");
});

Deno.test("the status shows what the account has stored and when", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const empty = await server.expect(SERVER_PATHS.syncStatus, { token, schema: syncStatusResponseSchema });
  assert.deepEqual(empty, {
    messages: 0,
    conversations: 0,
    contacts: 0,
    lastMessageAt: null,
    lastSyncedAt: null,
    devices: [],
  });
  await sendBatch(
    { server, token },
    syncBatch([syncMessage(), syncMessage({ sentAt: "2024-03-01T12:00:00+02:00" })]),
  );
  const status = await server.expect(SERVER_PATHS.syncStatus, { token, schema: syncStatusResponseSchema });
  const { devices: [device] = [], ...totals } = status;
  assert.deepEqual([device?.inserted, device?.lagRows, device?.lastHeartbeatAt], [2, null, null]);
  assert.deepEqual({ ...totals, lastSyncedAt: null }, {
    messages: 2,
    conversations: 1,
    contacts: 0,
    lastMessageAt: "2024-03-01T10:00:00.000Z",
    lastSyncedAt: null,
  });
  assert.notEqual(status.lastSyncedAt, null);
});

Deno.test("messages that were deleted in Messages are deleted, whether or not they were ever stored", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const kept = syncMessage();
  const gone = syncMessage();
  await sendBatch({ server, token }, syncBatch([kept, gone]));
  const body = { imessageGuids: [gone.imessageGuid, "never there"] };
  const remove = () =>
    server.expect(SERVER_PATHS.syncDeletions, { token, body, schema: syncDeletionsResponseSchema });
  assert.deepEqual(await remove(), { deleted: 1, unknown: 1 });
  assert.equal(server.outbox.triggers, 1, "it is sent to ml at once");
  assert.deepEqual(await remove(), { deleted: 0, unknown: 2 });
  assert.equal(server.outbox.triggers, 1);
  assert.equal(await storedMessages(server, token), 1);
  const { details } = await server.refuse(SERVER_PATHS.syncDeletions, {
    token,
    body: { imessageGuids: ["", ...body.imessageGuids] },
    status: 400,
    code: "validation_failed",
  });
  assert.equal(details?.[0]?.path, "imessageGuids.0");
});

Deno.test("a device reports how many rows wait on it, and the status shows that and when it reported", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const { receivedAt } = await server.expect(SERVER_PATHS.syncHeartbeat, {
    token,
    body: { lagRows: 41 },
    schema: syncHeartbeatResponseSchema,
  });
  assert.ok(Date.parse(receivedAt) > 0);
  await sendBatch({ server, token }, syncBatch([syncMessage()], { lagRows: 40 }));
  const { devices } = await server.expect(SERVER_PATHS.syncStatus, {
    token,
    schema: syncStatusResponseSchema,
  });
  assert.deepEqual(devices?.map(({ lagRows, inserted, deleted }) => [lagRows, inserted, deleted]), [
    [40, 1, 0],
  ]);
  assert.ok(devices?.[0]?.lastHeartbeatAt);
  await server.refuse(SERVER_PATHS.syncHeartbeat, {
    token,
    body: { lagRows: -1 },
    status: 400,
    code: "validation_failed",
  });
});

Deno.test("times at the ends of the range, and of the first century, come back and leave the account readable", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const expected = {
    "0013-01-01T00:00:00Z": "0013-01-01T00:00:00.000Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000Z",
    "0001-01-02T00:00:00+23:59": "0001-01-01T00:01:00.000Z",
    "9999-12-31T23:59:59Z": "9999-12-31T23:59:59.000Z",
    "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.999Z",
  };
  for (const [text, answered] of Object.entries(expected)) {
    const times = { sentAt: text, editedAt: text, retractedAt: text, readAt: text, deliveredAt: text };
    const reactions = [{ kind: "love", senderId: null, reactedAt: text } as const];
    const batch = syncBatch([syncMessage({ ...times, reactions })], { conversationImessageId: text });
    const { conversationId } = await sendBatch({ server, token }, batch);
    assert.equal((await sendBatch({ server, token }, batch)).unchanged, 1);
    const list = await server.expect(SERVER_PATHS.conversations, { token, schema: conversationListSchema });
    assert.equal(list.conversations.find(({ id }) => id === conversationId)?.lastMessageAt, answered);
    const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
    const { messages: [message] } = await server.expect(path, { token, schema: messageListSchema });
    for (const name of Object.keys(times) as (keyof typeof times)[]) assert.equal(message?.[name], answered);
    assert.equal(message?.reactions?.[0]?.reactedAt, answered);
  }
});
