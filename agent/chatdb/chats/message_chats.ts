/** Finds the chats of messages: of a range of rows in one query, and of one message to be answered. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { CHAT_ROWS, readAddresses } from "./chat_directory.ts";
import { type ChatRow, conversationIdOf, isGroupChat } from "./conversation.ts";
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

/** Where a reply to one message goes. */
export interface ReplyChat {
  readonly chat: ChatRow;
  readonly isGroup: boolean;
  /** ROWIDs of every chat of the same conversation, the chat itself among them. */
  readonly conversationChatIds: readonly number[];
  /** ROWID of the answered message. */
  readonly messageRowId: number;
}

/**
 * The chat of the message with this guid; null when the message is gone or in no chat.
 *
 * @throws ChatDatabaseError when the database cannot be read
 */
export function findReplyChat(database: ChatDatabase, messageGuid: string): ReplyChat | null {
  return database.readTransaction(() => {
    const [row] = database.prepare("SELECT ROWID FROM message WHERE guid = ?")(messageGuid);
    if (row === undefined) return null;
    const messageRowId = integerOf(row[0]);
    const chatId = chatFinder(database)(messageRowId, messageRowId).get(messageRowId);
    const chats: ChatRow[] = CHAT_ROWS.prepare(database, "chat")();
    const chat = chats.find(({ rowId }) => rowId === chatId);
    if (chat === undefined) return null;
    const addresses = readAddresses(database);
    const id = conversationIdOf(chat, addresses);
    const own = chats.filter((other) => conversationIdOf(other, addresses) === id);
    return {
      chat,
      isGroup: isGroupChat(chat),
      conversationChatIds: own.map(({ rowId }) => rowId),
      messageRowId,
    };
  });
}
