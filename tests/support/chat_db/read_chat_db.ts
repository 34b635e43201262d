/** Reads what a test wrote into a chat.db with the agent's reader. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ChatDatabase } from "../../../agent/chatdb/file/chat_database.ts";
import type { ChatMessage } from "../../../agent/chatdb/messages/chat_message.ts";
import type { MessageBatch } from "../../../agent/chatdb/messages/message_reader.ts";
import { MessageReader } from "../../../agent/chatdb/messages/message_reader.ts";
import { type ChatDb, type ChatDbOptions, createChatDb } from "./chat_db_fixture.ts";

/** Runs a check with a new chat.db that its writer has open, and the agent's view of it. */
export function withChatDb<Result>(
  use: (db: ChatDb, database: ChatDatabase) => Result,
  options: ChatDbOptions = {},
): Result {
  const folder = Deno.makeTempDirSync();
  try {
    using db = createChatDb(join(folder, "chat.db"), options);
    using database = new ChatDatabase(db.store.path);
    return use(db, database);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Adds a chat with one person and as many texts of theirs, numbered from 0. */
export function addTexts(db: ChatDb, count: number, { from, sentAt }: { from: string; sentAt: string }) {
  const chat = db.addChat({ identifier: from });
  return Array.from(
    { length: count },
    (_, index) => db.addMessage({ chat, from, sentAt, text: `text ${index}` }),
  );
}

/** Reads all that `write` leaves in a chat.db that its writer still has open; every row is final. */
export function readAll(write: (db: ChatDb) => void, options: ChatDbOptions = {}): MessageBatch {
  return withChatDb((db, database) => {
    write(db);
    return new MessageReader(database).readAfter(0, { nowMs: minutesFromNow(1) });
  }, options);
}

/** The one message that `write` leaves. */
export function readOne(write: (db: ChatDb) => void, options: ChatDbOptions = {}): ChatMessage {
  const { messages } = readAll(write, options);
  const [message] = messages;
  assert.equal(messages.length, 1);
  assert.ok(message);
  return message;
}

/** The Unix time some minutes from now, when every row written so far is final. */
export function minutesFromNow(minutes: number): number {
  return Date.now() + minutes * 60_000;
}

export function textsOf(batch: MessageBatch): (string | null)[] {
  return batch.messages.map(({ text }) => text);
}

/** How many rows were skipped for each reason that occurred. */
export function skippedOf(batch: MessageBatch): Record<string, number> {
  const byReason = Map.groupBy(batch.skippedRows, ({ reason }) => reason);
  return Object.fromEntries([...byReason].map(([reason, rows]) => [reason, rows.length]));
}

/** Counts the rows of a chat.db that holds plain messages and tapbacks, without the agent's own reader. */
export function countRowsBySql(path: string): { rows: number; messages: number } {
  using db = new DatabaseSync(path, { readOnly: true });
  const count = (where: string) => {
    const row = db.prepare(`SELECT COUNT(*) AS count FROM message WHERE ${where}`).get();
    return Number(row?.count);
  };
  return { rows: count("1"), messages: count("associated_message_type = 0 AND item_type = 0") };
}
