/** Owns the small tables around the messages, kept in memory: handles, chats, members, the owner's aliases. */
import type { ChatDatabase } from "../file/chat_database.ts";
import {
  type ChatRow,
  type Conversation,
  conversationsOf,
  normalizeAlias,
  normalizeHandle,
} from "./conversation.ts";
import { selectList, type TableName } from "../file/schema.ts";
import { integerOf, type Query, type SqlRow, textOf, wordsOf } from "../file/sql_value.ts";

/** Columns in the order of `chatRowOf`, then those of the owner's addresses, then those that hide a chat. */
export const CHAT_COLUMNS = [
  "ROWID",
  "guid",
  "style",
  "chat_identifier",
  "display_name",
  "group_id",
  "original_group_id",
  "last_addressed_handle",
  "account_login",
  "is_filtered",
  "is_blackholed",
];
/**
 * Values of is_filtered from here on keep a chat out of Messages' list: spam, promotions, transactions. 1 is an unknown
 * sender, who may become a friend.
 */
const FIRST_FILTERED = 2;

/** Handles and conversations by ROWID. Loaded when first refreshed, and again when another program has written. */
export class ChatDirectory {
  readonly #database: ChatDatabase;
  readonly #selectHandles: Query;
  readonly #selectChats: Query;
  readonly #selectMembers: Query;
  #loadedVersion: number | null = null;
  #handles = new Map<number, string>();
  #conversations = new Map<number, Conversation>();
  /** Conversation of each `chat_identifier`, which is what `message.cache_roomnames` holds. */
  #rooms = new Map<string, Conversation>();
  readonly #addressedAliases = new Map<number, string | null>();
  #hiddenChats = new Set<number>();
  /** Normalised alias of each spelling met so far. */
  readonly #aliases = new Map<string, string | null>();
  readonly #ownAliases = new Set<string>();
  /** Senders without a row in chat_handle_join, by conversation id. */
  readonly #formerMembers = new Map<string, Set<string>>();

  constructor(database: ChatDatabase) {
    const select = (table: TableName, columns: readonly string[]): Query =>
      database.schema.has(table)
        ? database.prepare(`SELECT ${selectList(database.schema, { table, columns })} FROM ${table}`)
        : () => [];
    this.#database = database;
    this.#selectHandles = select("handle", ["ROWID", "id"]);
    this.#selectChats = select("chat", CHAT_COLUMNS);
    this.#selectMembers = select("chat_handle_join", ["chat_id", "handle_id"]);
  }

  /** The owner's own addresses met so far. */
  get ownAliases(): ReadonlySet<string> {
    return this.#ownAliases;
  }

  /** Brings the directory to the state of the current read transaction. */
  refresh(): void {
    const version = this.#database.dataVersion();
    if (version === this.#loadedVersion) return;
    this.#handles = new Map(
      this.#selectHandles().map(([rowId, id]) => [integerOf(rowId), normalizeHandle(textOf(id) ?? "")]),
    );
    this.#loadChats();
    this.#loadedVersion = version;
  }

  /** The handle in `message.handle_id`; null for 0 and for a handle that Messages has since removed. */
  handle(rowId: number): string | null {
    return this.#handles.get(rowId) || null;
  }

  /** The conversation of a chat; null for no chat. */
  conversation(chatRowId: number | null): Conversation | null {
    return (chatRowId === null ? undefined : this.#conversations.get(chatRowId)) ?? null;
  }

  /** True for a chat that Messages keeps out of its list, because it is spam or was filtered or blocked. */
  isHidden(chatRowId: number | null): boolean {
    return chatRowId !== null && this.#hiddenChats.has(chatRowId);
  }

  /** The group of a room name; null when no chat has it. */
  conversationOfRoom(roomName: string): Conversation | null {
    return this.#rooms.get(roomName) ?? null;
  }

  /** The owner's address in one of the columns that hold one; null for none. Remembers it as an own alias. */
  ownAlias(value: string | null): string | null {
    if (value === null) return null;
    const known = this.#aliases.get(value);
    if (known !== undefined) return known;
    const alias = normalizeAlias(value);
    this.#aliases.set(value, alias);
    if (alias !== null) this.#ownAliases.add(alias);
    return alias;
  }

  /** The owner's address that a chat used last; null when the chat does not tell. */
  addressedAlias(chatRowId: number | null): string | null {
    return (chatRowId === null ? undefined : this.#addressedAliases.get(chatRowId)) ?? null;
  }

  /** True for a conversation of the owner with himself. */
  isSelfChat(conversation: Conversation): boolean {
    return !conversation.isGroup && this.#ownAliases.has(conversation.id);
  }

  /** Counts a sender among the participants of a conversation, now and after each reload. */
  addSender(conversation: Conversation, sender: string): void {
    if (conversation.participants.includes(sender)) return;
    conversation.participants.push(sender);
    const formerMembers = this.#formerMembers.get(conversation.id) ?? new Set();
    this.#formerMembers.set(conversation.id, formerMembers.add(sender));
  }

  #loadChats(): void {
    const rows = this.#selectChats();
    const chats = rows.map(chatRowOf);
    this.#conversations = conversationsOf(chats, this.#members());
    this.#rooms = new Map();
    for (const { rowId, identifier } of chats) {
      const conversation = this.#conversations.get(rowId);
      if (conversation?.isGroup && identifier !== null) this.#rooms.set(identifier, conversation);
    }
    this.#hiddenChats = new Set(rows.filter(isHiddenChat).map(([rowId]) => integerOf(rowId)));
    for (const row of rows) {
      const login = this.ownAlias(textOf(row[8]));
      this.#addressedAliases.set(integerOf(row[0]), this.ownAlias(textOf(row[7])) ?? login);
    }
    for (const conversation of new Set(this.#conversations.values())) {
      for (const sender of this.#formerMembers.get(conversation.id) ?? []) {
        if (!conversation.participants.includes(sender)) conversation.participants.push(sender);
      }
    }
  }

  #members(): Map<number, string[]> {
    const members = new Map<number, string[]>();
    for (const [chatId, handleId] of this.#selectMembers()) {
      const handle = this.handle(integerOf(handleId));
      if (handle === null) continue;
      const known = members.get(integerOf(chatId));
      if (known) known.push(handle);
      else members.set(integerOf(chatId), [handle]);
    }
    return members;
  }
}

function isHiddenChat(row: SqlRow): boolean {
  return integerOf(row[9]) >= FIRST_FILTERED || integerOf(row[10]) !== 0;
}

/** Names the values of a row selected with `CHAT_COLUMNS`. */
export function chatRowOf(row: SqlRow): ChatRow {
  return {
    rowId: integerOf(row[0]),
    guid: textOf(row[1]) ?? "",
    style: row[2] === null ? null : integerOf(row[2]),
    identifier: textOf(row[3]),
    displayName: wordsOf(row[4]),
    groupId: textOf(row[5]),
    originalGroupId: textOf(row[6]),
  };
}
