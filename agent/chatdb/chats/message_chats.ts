/** Finds the chats of messages: of a range of rows in one query, and of one message to be answered. */
import type { ChatDatabase } from "../file/chat_database.ts";
import type { KnownAddresses } from "../../contacts/same_address.ts";
import { CHAT_ROWS, readAddresses } from "./chat_directory.ts";
import { type ChatRow, conversationIdOf, isGroupChat } from "./conversation.ts";
import { column, rowTable } from "../file/schema.ts";
import { integerOf, textOf } from "../file/sql_value.ts";

/** Finds the chats of every joined message from one ROWID to another, by message ROWID: one, or several ascending. */
export type ChatFinder = (firstRowId: number, lastRowId: number) => Map<number, number | readonly number[]>;

/** Prepares the search; a database without chats yields none. */
export function chatFinder(database: ChatDatabase): ChatFinder {
  if (!database.schema.has("chat_message_join")) return () => new Map();
  // The sign says that there are several: another value for each row would cost more.
  const select = database.prepare(`
    SELECT message_id, CASE COUNT(*) WHEN 1 THEN MIN(chat_id) ELSE -1 END FROM chat_message_join
    WHERE message_id BETWEEN ? AND ? GROUP BY message_id`);
  const selectSeveral = database.prepare(
    "SELECT chat_id FROM chat_message_join WHERE message_id = ? ORDER BY chat_id",
  );
  return (firstRowId, lastRowId) => {
    const chatIds = new Map<number, number | readonly number[]>();
    for (const [id, chat] of select(firstRowId, lastRowId)) {
      const [messageId, chatId] = [integerOf(id), integerOf(chat)];
      const several = () => selectSeveral(messageId).map(([value]) => integerOf(value));
      chatIds.set(messageId, chatId < 0 ? several() : chatId);
    }
    return chatIds;
  };
}

/** What is known of chats when the one of a message is chosen. */
export interface ChatChoice {
  isGroup(chatId: number): boolean;
  /** The chat of a group's room, of several the last; null when no chat has it. */
  chatOfRoom(room: string): number | null;
  /** The room of a group's chat. */
  roomOf(chatId: number): string | null;
  isSameConversation(oneChatId: number, otherChatId: number): boolean;
}

/**
 * The chat of a message: that of the group whose room it names, else the one it is joined to, of several of the same kind
 * the lowest. Null where it cannot be known whether a group or one person has read it: an answer could reach people who
 * were not meant.
 */
export function chatOfMessage(
  { roomName, chats }: { roomName: string | null; chats: number | readonly number[] | undefined },
  choice: ChatChoice,
): number | null {
  const chatIds = chats === undefined ? [] : typeof chats === "number" ? [chats] : chats;
  const [lowest = null] = chatIds;
  if (roomName === null && chatIds.length < 2) return lowest;
  const groups = chatIds.filter((chatId) => choice.isGroup(chatId));
  if (roomName === null) return groups.length === 0 ? lowest : null;
  const named = groups.find((chatId) => choice.roomOf(chatId) === roomName);
  if (named !== undefined) return named;
  const room = choice.chatOfRoom(roomName);
  if (room === null) return groups.length === 1 ? groups[0] ?? null : null;
  return groups.every((chatId) => choice.isSameConversation(chatId, room)) ? room : null;
}

/** The chats that belong to the conversations of some chats by now, those themselves among them. */
export function chatsOfConversations(database: ChatDatabase, chatIds: readonly number[]): number[] {
  const chats: ChatRow[] = CHAT_ROWS.prepare(database, "chat")();
  const addresses = readAddresses(database);
  const known = chats.filter(({ rowId }) => chatIds.includes(rowId));
  const ids = new Set(known.map((chat) => conversationIdOf(chat, addresses)));
  const same = chats.filter((chat) => ids.has(conversationIdOf(chat, addresses)));
  return [...new Set([...chatIds, ...same.map(({ rowId }) => rowId)])];
}

const ANSWERED_ROWS = rowTable("message", {
  rowId: column("ROWID", integerOf),
  roomName: column("cache_roomnames", textOf),
});

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
    const [message] = ANSWERED_ROWS.prepare(database, "message WHERE guid = ?")(messageGuid);
    if (message === undefined) return null;
    const { rowId: messageRowId, roomName } = message;
    const chats: ChatRow[] = CHAT_ROWS.prepare(database, "chat")();
    const joined = chatFinder(database)(messageRowId, messageRowId).get(messageRowId);
    const addresses = readAddresses(database);
    const chatId = chatOfMessage({ roomName, chats: joined }, choiceAmong(chats, addresses));
    const chat = chats.find(({ rowId }) => rowId === chatId);
    if (chat === undefined) return null;
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

function choiceAmong(chats: readonly ChatRow[], addresses: KnownAddresses): ChatChoice {
  const groups = new Map(chats.filter(isGroupChat).map((chat) => [chat.rowId, chat]));
  const idOf = (chatId: number) => {
    const chat = groups.get(chatId);
    return chat === undefined ? null : conversationIdOf(chat, addresses);
  };
  return {
    isGroup: (chatId) => groups.has(chatId),
    chatOfRoom: (room) =>
      chats.findLast((chat) => isGroupChat(chat) && chat.identifier === room)?.rowId ?? null,
    roomOf: (chatId) => groups.get(chatId)?.identifier ?? null,
    isSameConversation: (one, other) => idOf(one) === idOf(other),
  };
}
