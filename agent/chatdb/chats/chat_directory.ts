/** Holds the small tables around the messages in memory: handles, chats, members, the owner's aliases. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { countryOfNumber, KnownAddresses, plainAddress } from "../../contacts/same_address.ts";
import { type Conversation, conversationsOf, normalizeAlias } from "./conversation.ts";
import { column, flag, type RowOf, rowTable } from "../file/schema.ts";
import { addressOf, guidOf, integerOf, textOf, wordsOf } from "../file/sql_value.ts";

export const CHAT_ROWS = rowTable("chat", {
  rowId: column("ROWID", integerOf),
  guid: column("guid", guidOf),
  style: column("style", (value) => value === null ? null : integerOf(value)),
  identifier: column("chat_identifier", textOf),
  displayName: column("display_name", wordsOf),
  groupId: column("group_id", textOf),
  originalGroupId: column("original_group_id", textOf),
  lastAddressedHandle: column("last_addressed_handle", textOf),
  accountLogin: column("account_login", textOf),
  /**
   * Kept out of Messages' list. is_filtered is 1 for an unknown sender, who may become a friend; spam, promotions and
   * transactions follow.
   */
  isHidden: flag("is_filtered >= 2", "is_blackholed"),
});

const HANDLE_ROWS = rowTable("handle", {
  rowId: column("ROWID", integerOf),
  id: column("id", (value) => addressOf(value) ?? ""),
  country: column("country", textOf),
});

const MEMBER_ROWS = rowTable("chat_handle_join", {
  chatId: column("chat_id", integerOf),
  handleId: column("handle_id", integerOf),
});

type HandleRow = RowOf<typeof HANDLE_ROWS>;
type ChatDirectoryRow = RowOf<typeof CHAT_ROWS>;

/**
 * The addresses that a database has. A number without a country code is meant in the country that was chosen, else in that
 * of the owner's own number, else in the system's.
 */
function addressesOf(
  { chosenRegion, systemRegion }: ChatDatabase["regions"],
  { handles, chats }: { handles: readonly HandleRow[]; chats: readonly ChatDirectoryRow[] },
): KnownAddresses {
  const own = chats.flatMap(({ lastAddressedHandle, accountLogin }) => [lastAddressedHandle, accountLogin])
    .flatMap((value) => value === null ? [] : normalizeAlias(value) ?? []);
  const ownRegion = own.map(countryOfNumber).find((country) => country !== null);
  return new KnownAddresses(handles, { region: chosenRegion ?? ownRegion ?? systemRegion });
}

/** Reads the addresses that a database has, with the owner's country. */
export function readAddresses(database: ChatDatabase): KnownAddresses {
  return addressesOf(database.regions, {
    handles: HANDLE_ROWS.prepare(database, "handle")(),
    chats: CHAT_ROWS.prepare(database, "chat")(),
  });
}

/** Handles and conversations by ROWID. Loaded when first refreshed, and again when another program has written. */
export class ChatDirectory {
  readonly #database: ChatDatabase;
  readonly #selectHandles: () => RowOf<typeof HANDLE_ROWS>[];
  readonly #selectChats: () => RowOf<typeof CHAT_ROWS>[];
  readonly #selectMembers: () => RowOf<typeof MEMBER_ROWS>[];
  #loadedVersion: number | null = null;
  #addresses = new KnownAddresses();
  #handles = new Map<number, string>();
  #conversations = new Map<number, Conversation>();
  /** Chat of each group's `chat_identifier`, which is what `message.cache_roomnames` holds. */
  #rooms = new Map<string, number>();
  readonly #roomNames = new Map<number, string>();
  readonly #addressedAliases = new Map<number, string | null>();
  #hiddenChats = new Set<number>();
  readonly #writtenAddresses = new Map<number, string>();
  /** Normalised alias of each spelling met so far. */
  readonly #aliases = new Map<string, string | null>();
  readonly #ownAliases = new Set<string>();
  /** Senders without a row in chat_handle_join, by conversation id. */
  readonly #formerMembers = new Map<string, Set<string>>();

  constructor(database: ChatDatabase) {
    this.#database = database;
    this.#selectHandles = HANDLE_ROWS.prepare(database, "handle");
    this.#selectChats = CHAT_ROWS.prepare(database, "chat");
    this.#selectMembers = MEMBER_ROWS.prepare(database, "chat_handle_join");
  }

  /** The owner's own addresses met so far. */
  get ownAliases(): ReadonlySet<string> {
    return this.#ownAliases;
  }

  /** Brings the directory to the state of the current read transaction. */
  refresh(): void {
    const version = this.#database.dataVersion();
    if (version === this.#loadedVersion) return;
    const [handles, chats] = [this.#selectHandles(), this.#selectChats()];
    this.#addresses = addressesOf(this.#database.regions, { handles, chats });
    this.#aliases.clear();
    this.#handles = new Map(handles.map(({ rowId, id }) => [rowId, this.#addresses.spelling(id)]));
    this.#loadChats(chats);
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

  /** True for a chat of a group. */
  isGroup(chatRowId: number): boolean {
    return this.#conversations.get(chatRowId)?.isGroup ?? false;
  }

  /** The chat of a group's room name; null when no chat has it. */
  chatOfRoom(roomName: string): number | null {
    return this.#rooms.get(roomName) ?? null;
  }

  /** The room of a group's chat; null for another one. */
  roomOf(chatRowId: number): string | null {
    return this.#roomNames.get(chatRowId) ?? null;
  }

  isSameConversation(one: number, other: number): boolean {
    return this.#conversations.get(one) === this.#conversations.get(other);
  }

  /** The conversation of every chat, by its ROWID. */
  conversations(): ReadonlyMap<number, Conversation> {
    return this.#conversations;
  }

  /** The other address of a chat of two as the database spells it; null for a group. */
  writtenAddress(chatRowId: number): string | null {
    return this.#writtenAddresses.get(chatRowId) ?? null;
  }

  /** Every group with its chats. */
  groups(): Map<Conversation, number[]> {
    const groups = new Map<Conversation, number[]>();
    for (const [chatId, conversation] of this.#conversations) {
      if (conversation.isGroup) groups.set(conversation, [...groups.get(conversation) ?? [], chatId]);
    }
    return groups;
  }

  /** The owner's address in one of the columns that hold one; null for none. Remembers it as an own alias. */
  ownAlias(value: string | null): string | null {
    if (value === null) return null;
    const known = this.#aliases.get(value);
    if (known !== undefined) return known;
    const plain = normalizeAlias(value);
    const alias = plain === null ? null : this.#addresses.spelling(plain);
    this.#aliases.set(value, alias);
    if (alias !== null) this.#ownAliases.add(alias);
    return alias;
  }

  /** The owner's address that a chat used last; null when the chat does not name one. */
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

  #loadChats(chats: readonly ChatDirectoryRow[]): void {
    this.#conversations = conversationsOf(chats, this.#members(), this.#addresses);
    this.#rooms = new Map();
    for (const { rowId, identifier } of chats) {
      if (identifier === null) continue;
      if (this.isGroup(rowId)) {
        this.#rooms.set(identifier, rowId);
        this.#roomNames.set(rowId, identifier);
      } else this.#writtenAddresses.set(rowId, plainAddress(identifier));
    }
    this.#hiddenChats = new Set(chats.filter(({ isHidden }) => isHidden).map(({ rowId }) => rowId));
    for (const { rowId, accountLogin, lastAddressedHandle } of chats) {
      const login = this.ownAlias(accountLogin);
      this.#addressedAliases.set(rowId, this.ownAlias(lastAddressedHandle) ?? login);
    }
    for (const conversation of new Set(this.#conversations.values())) {
      for (const sender of this.#formerMembers.get(conversation.id) ?? []) {
        if (!conversation.participants.includes(sender)) conversation.participants.push(sender);
      }
    }
  }

  #members(): Map<number, string[]> {
    const members = new Map<number, string[]>();
    for (const { chatId, handleId } of this.#selectMembers()) {
      const handle = this.handle(handleId);
      if (handle === null) continue;
      const known = members.get(chatId);
      if (known) known.push(handle);
      else members.set(chatId, [handle]);
    }
    return members;
  }
}
