/** Tests of what one round of a sync gathers. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ChatDb, createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { addTapback } from "../../tests/support/chat_db/rows.ts";
import { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import { readBatch, type SyncBatch } from "./read_batch.ts";

const SENT_AT = "2026-01-01T10:00:00Z";
const NOW_MS = Date.parse("2026-06-01T10:00:00Z");

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

function allRounds(reader: MessageReader, messages?: number): SyncBatch[] {
  const rounds: SyncBatch[] = [];
  do {
    const rowId = rounds.at(-1)?.lastRowId ?? 0;
    rounds.push(readBatch(reader, rowId, { nowMs: NOW_MS, messages }));
  } while (rounds.at(-1)?.hasMore);
  return rounds;
}

function addTexts(db: ChatDb, count: number, text: string): void {
  const chat = db.addChat({ identifier: "+15550100001" });
  db.store.atomically(() => {
    for (let index = 0; index < count; index++) db.addMessage({ chat, from: "me", text, sentAt: SENT_AT });
  });
}

Deno.test("a round ends once it has enough messages, and the rounds together have every row once", () =>
  withReader((db) => addTexts(db, 1_050, "hi"), (reader) => {
    const rounds = allRounds(reader, 400);
    assert.deepEqual(rounds.map(({ rows }) => rows), [500, 500, 50]);
    const rowIds = rounds.flatMap(({ messages }) => messages.map(({ rowId }) => rowId));
    assert.deepEqual(rowIds, Array.from({ length: 1_050 }, (_, index) => index + 1));
    assert.equal(allRounds(reader).length, 1);
  }));

Deno.test("long texts end a round early, so that it fits in small memory", () =>
  withReader((db) => addTexts(db, 600, "x".repeat(40_000)), (reader) => {
    const rounds = allRounds(reader);
    assert.deepEqual(rounds.map(({ rows }) => rows), [250, 250, 100]);
  }));

Deno.test("rows that are no messages are counted and passed", () =>
  withReader((db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const to = db.addMessage({ chat, from: "me", text: "hi", sentAt: SENT_AT });
    addTapback(db, { to, from: "+15550100001", kind: "love", sentAt: SENT_AT });
  }, (reader) => {
    const [round] = allRounds(reader);
    assert.deepEqual([round?.rows, round?.passed.length, round?.lastRowId], [2, 1, 2]);
    assert.deepEqual(round?.passed[0]?.targetGuid, round?.messages[0]?.guid);
    assert.equal(round?.isIncomplete, false);
  }));
