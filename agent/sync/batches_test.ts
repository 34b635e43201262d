/** Tests of reading batches of rows, and of cutting them into requests: in order, within the contract's bounds. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { MAX_SYNC_BODY_BYTES, MAX_SYNC_MESSAGES, syncMessagesRequestSchema } from "../../contract/sync.ts";
import { type ChatDb, createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { addTapback } from "../../tests/support/chat_db/rows.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { Conversation } from "../chatdb/chats/conversation.ts";
import { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import {
  byConversation,
  type ConversationBatch,
  conversationBatchesOf,
  readBatch,
  requestJsonOf,
  type SyncBatch,
} from "./batches.ts";

const SENT_AT = "2026-01-01T10:00:00Z";
const NOW_MS = Date.parse("2026-06-01T10:00:00Z");

function conversation(fields: Partial<Conversation> = {}): Conversation {
  return { id: "+15550100001", isGroup: false, displayName: null, participants: ["+15550100001"], ...fields };
}

function message(rowId: number, fields: Partial<ChatMessage> = {}): ChatMessage {
  return {
    rowId,
    guid: `GUID-${rowId}`,
    conversation: conversation(),
    direction: "incoming",
    sender: "+15550100001",
    ownAlias: null,
    kind: "text",
    text: "hi",
    subject: null,
    transcript: null,
    sentAtMs: 1,
    editedAtMs: null,
    retractedAtMs: null,
    changedAtMs: null,
    readAtMs: null,
    deliveredAtMs: null,
    replyToGuid: null,
    attachments: [],
    reactions: [],
    ...fields,
  };
}

function requestOf(batch: ConversationBatch): unknown {
  return JSON.parse(requestJsonOf(batch, 0));
}

Deno.test("messages are grouped by conversation and keep their order within it", () => {
  const [one, two] = [conversation({ id: "one" }), conversation({ id: "two" })];
  const messages = [one, two, one, one, two].map((own, index) => message(index + 1, { conversation: own }));
  const rows = byConversation(messages).map((own) =>
    conversationBatchesOf(own).flatMap(({ messages }) => messages.map(({ rowId }) => rowId))
  );
  assert.deepEqual(rows, [[1, 3, 4], [2, 5]]);
});

Deno.test("a conversation is described as the newest of its messages knows it", () => {
  const early = conversation({ id: "g", isGroup: true, displayName: "Trip", participants: ["a"] });
  const late = conversation({ id: "g", isGroup: true, displayName: "Trip 2", participants: ["a", "b"] });
  const [batch] = conversationBatchesOf([
    message(1, { conversation: early }),
    message(2, { conversation: late }),
  ]);
  assert.deepEqual(batch?.conversation, {
    conversationImessageId: "g",
    conversationDisplayName: "Trip 2",
    isGroup: true,
    participantIds: ["a", "b"],
  });
});

Deno.test("messages that belong to no chat go to a group of their own, never to a person's conversation", () => {
  const [, own = []] = byConversation([message(1), message(2, { conversation: null })]);
  const orphans = conversationBatchesOf(own)[0]?.conversation;
  assert.equal(orphans?.isGroup, true);
  assert.deepEqual(orphans?.participantIds, []);
});

Deno.test("a batch holds at most as many messages as the contract allows", () => {
  const messages = Array.from({ length: 2 * MAX_SYNC_MESSAGES + 1 }, (_, index) => message(index + 1));
  const batches = conversationBatchesOf(messages);
  assert.deepEqual(batches.map(({ messages }) => messages.length), [MAX_SYNC_MESSAGES, MAX_SYNC_MESSAGES, 1]);
});

Deno.test("long texts make batches of fewer messages, far below what the server takes", () => {
  const text = "\u{1F600}".repeat(50_000);
  const messages = Array.from({ length: 60 }, (_, index) => message(index + 1, { text }));
  const batches = conversationBatchesOf(messages);
  const sizes = batches.map((batch) => new TextEncoder().encode(requestJsonOf(batch, 0)).length);
  assert.ok(Math.max(...sizes) < MAX_SYNC_BODY_BYTES / 4, `sizes: ${sizes}`);
  assert.equal(batches.flatMap(({ messages }) => messages).length, 60);
});

const anyText = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 700 })
  .map((units) => String.fromCharCode(...units));

Deno.test("the contract accepts every conversation, whatever its chat row holds", () => {
  const anyConversation = fc.record({
    id: anyText,
    isGroup: fc.boolean(),
    displayName: fc.option(anyText),
    participants: fc.array(fc.string({ maxLength: 4 }), { maxLength: 1_200 }),
  });
  fc.assert(
    fc.property(anyConversation, (own) => {
      const [batch] = conversationBatchesOf([message(1, { conversation: own })]);
      assert.ok(batch);
      assert.ok(syncMessagesRequestSchema.safeParse(requestOf(batch)).success);
    }),
    { numRuns: 50 },
  );
});

async function withReader(write: (db: ChatDb) => void, test: (reader: MessageReader) => void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    using db = createChatDb(join(dir, "chat.db"));
    write(db);
    using database = new ChatDatabase(join(dir, "chat.db"));
    test(new MessageReader(database));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function allBatches(reader: MessageReader, messages?: number): SyncBatch[] {
  const batches: SyncBatch[] = [];
  do {
    const rowId = batches.at(-1)?.lastRowId ?? 0;
    batches.push(readBatch(reader, rowId, { nowMs: NOW_MS, messages }));
  } while (batches.at(-1)?.hasMore);
  return batches;
}

function addTexts(db: ChatDb, count: number, text: string): void {
  const chat = db.addChat({ identifier: "+15550100001" });
  db.store.atomically(() => {
    for (let index = 0; index < count; index++) db.addMessage({ chat, from: "me", text, sentAt: SENT_AT });
  });
}

Deno.test("a batch ends once it has enough messages, and the batches together have every row once", () =>
  withReader((db) => addTexts(db, 1_050, "hi"), (reader) => {
    const batches = allBatches(reader, 400);
    assert.deepEqual(batches.map(({ rows }) => rows), [500, 500, 50]);
    const rowIds = batches.flatMap(({ messages }) => messages.map(({ rowId }) => rowId));
    assert.deepEqual(rowIds, Array.from({ length: 1_050 }, (_, index) => index + 1));
    assert.equal(allBatches(reader).length, 1);
  }));

Deno.test("long texts end a batch early, so that it fits in small memory", () =>
  withReader((db) => addTexts(db, 600, "x".repeat(40_000)), (reader) => {
    const batches = allBatches(reader);
    assert.deepEqual(batches.map(({ rows }) => rows), [250, 250, 100]);
  }));

Deno.test("rows that are no messages are counted and skipped", () =>
  withReader((db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const to = db.addMessage({ chat, from: "me", text: "hi", sentAt: SENT_AT });
    addTapback(db, { to, from: "+15550100001", kind: "love", sentAt: SENT_AT });
  }, (reader) => {
    const [batch] = allBatches(reader);
    assert.deepEqual([batch?.rows, batch?.skipped.length, batch?.lastRowId], [2, 1, 2]);
    assert.deepEqual(batch?.skipped[0]?.targetGuid, batch?.messages[0]?.guid);
    assert.deepEqual(batch?.incomplete, []);
  }));
