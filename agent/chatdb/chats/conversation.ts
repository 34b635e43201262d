/** Merges the chats of one thread into a conversation with a lasting identity, and normalizes the addresses in it. */

import { KnownAddresses, plainAddress } from "../../contacts/same_address.ts";

/** A row of `chat`, as far as identity needs it. */
export interface ChatRow {
  rowId: number;
  guid: string;
  /** 43 for a group, 45 for two people; null while Messages is still writing the row. */
  style: number | null;
  identifier: string | null;
  displayName: string | null;
  groupId: string | null;
  originalGroupId: string | null;
}

/** One thread as the person sees it, merged from all its chats (iMessage, SMS, RCS, re-created groups). */
export interface Conversation {
  /** See {@link conversationIdOf}. */
  readonly id: string;
  readonly isGroup: boolean;
  /** The name given to a group; null when there is none. */
  readonly displayName: string | null;
  /** Handles of everyone but the owner: present members, and former ones as their messages are read. */
  readonly participants: string[];
}

const GROUP_STYLE = 43;
const NO_ADDRESSES = new KnownAddresses();

/** True for a group, by style; the guid's `;+;` counts only while the style is not yet written. */
export function isGroupChat(chat: ChatRow): boolean {
  return chat.style === null ? chat.guid.includes(";+;") : chat.style === GROUP_STYLE;
}

/**
 * The identity of a chat's conversation, the same whatever the guid's service prefix (`iMessage;-;`, `SMS;-;`, and
 * from macOS 26 `any;-;`).
 *
 * Two people: the other's handle in its one spelling, so that the iMessage, SMS and RCS chats of one handle, and those of
 * a number with and without its country code, are one conversation.
 * Group: `original_group_id`, which stays when a group is re-created or its `group_id` is renewed; else `group_id`;
 * else the chat identifier. `chat_identifier` alone would split a re-created group, and differs between devices.
 */
export function conversationIdOf(chat: ChatRow, addresses: KnownAddresses = NO_ADDRESSES): string {
  const address = chat.identifier ?? chat.guid.split(";").at(-1) ?? chat.guid;
  if (!isGroupChat(chat)) return addresses.spelling(address);
  return chat.originalGroupId ?? chat.groupId ?? address;
}

/**
 * The conversations of `chats`, by chat ROWID; chats of one conversation share one object.
 *
 * @param members handles of each chat, by its ROWID
 */
export function conversationsOf(
  chats: readonly ChatRow[],
  members: ReadonlyMap<number, readonly string[]>,
  addresses: KnownAddresses = NO_ADDRESSES,
): Map<number, Conversation> {
  const byChat = new Map<number, Conversation>();
  for (const [id, merged] of Map.groupBy(chats, (chat) => conversationIdOf(chat, addresses))) {
    const conversation = merge(merged, { id, members });
    for (const chat of merged) byChat.set(chat.rowId, conversation);
  }
  return byChat;
}

/** The newest name wins: a chat created later replaces the earlier ones. */
function merge(
  chats: readonly ChatRow[],
  { id, members }: { id: string; members: ReadonlyMap<number, readonly string[]> },
): Conversation {
  const newestFirst = chats.toSorted((a, b) => b.rowId - a.rowId);
  const isGroup = chats.some(isGroupChat);
  const participants = new Set(chats.flatMap((chat) => members.get(chat.rowId) ?? []));
  if (participants.size === 0 && !isGroup) participants.add(id);
  return {
    id,
    isGroup,
    displayName: newestFirst.find((chat) => chat.displayName !== null)?.displayName ?? null,
    participants: [...participants],
  };
}

/** `account` and `account_login` mark an address as e-mail or phone number: `E:me@example.com`, `P:+1555…`. */
const ACCOUNT_PREFIX = /^[EP]:/i;

/** The owner's address in `destination_caller_id`, `account`, `account_login` or `last_addressed_handle`. */
export function normalizeAlias(value: string): string | null {
  return plainAddress(value.replace(ACCOUNT_PREFIX, "")) || null;
}
