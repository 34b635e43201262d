/** Owns the chats of messages: one query for a whole range of rows. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { integerOf } from "../file/sql_value.ts";

/** Finds the chat of every joined message from one ROWID to another: chat ROWID by message ROWID. */
export type ChatFinder = (firstRowId: number, lastRowId: number) => Map<number, number>;

/**
 * Prepares the search; a database without chats yields none. Of a message in several chats the lowest is taken, so
 * that it is sent once and always to the same conversation.
 */
export function chatFinder(database: ChatDatabase): ChatFinder {
  if (!database.schema.has("chat_message_join")) return () => new Map();
  const select = database.prepare(`
    SELECT message_id, MIN(chat_id) FROM chat_message_join
    WHERE message_id BETWEEN ? AND ? GROUP BY message_id`);
  return (firstRowId, lastRowId) => {
    const chatIds = new Map<number, number>();
    for (const [messageId, chatId] of select(firstRowId, lastRowId)) {
      chatIds.set(integerOf(messageId), integerOf(chatId));
    }
    return chatIds;
  };
}
