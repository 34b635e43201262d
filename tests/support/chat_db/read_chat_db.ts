/** Reads what a test wrote into a chat.db with the agent's reader. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ChatDatabase } from "../../../agent/chatdb/file/chat_database.ts";
import type { ChatMessage } from "../../../agent/chatdb/messages/chat_message.ts";
import type { MessageBatch } from "../../../agent/chatdb/messages/message_batch.ts";
import { MessageReader } from "../../../agent/chatdb/messages/message_reader.ts";
import { type ChatDb, type ChatDbOptions, createChatDb } from "./chat_db_fixture.ts";

/** Reads all that `write` leaves in a chat.db that its writer still has open; every row is final. */
export function readAll(write: (db: ChatDb) => void, options: ChatDbOptions = {}): MessageBatch {
  const folder = Deno.makeTempDirSync();
  try {
    using db = createChatDb(join(folder, "chat.db"), options);
    write(db);
    using database = new ChatDatabase(db.store.path);
    return new MessageReader(database).readAfter(0, { nowMs: minutesFromNow(1) });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
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
