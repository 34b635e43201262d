/** Reads synced conversations, messages and contacts, and deletes them for good. */
import type {
  Contact,
  ContactList,
  Conversation,
  ConversationList,
  Deletion,
  Message,
  MessageList,
} from "../../contract/conversations.ts";
import { messagesToAnswer } from "../../contract/messages/waiting.ts";
import type { PageQuery } from "../../contract/paging.ts";
import { ApiError } from "../../lib/errors.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { ContactStore } from "../store/messages/contact_store.ts";
import type { ConversationStore } from "../store/messages/conversation_store.ts";
import type { DeletionStore } from "../store/messages/deletion.ts";
import type {
  Contact as ContactRow,
  Conversation as ConversationRow,
  Message as MessageRow,
} from "../store/schema.ts";
import { pageFieldsOf, pageRequestOf } from "./paging.ts";

/** How many of its newest messages decide whether a conversation waits for an answer. */
const LOOKED_AT = 10;

export interface ConversationServiceOptions {
  conversations: ConversationStore;
  contacts: ContactStore;
  deletions: DeletionStore;
  /** Called when the outbox may have messages for ml: cached drafts to clear, tainted adapters. */
  onOutbox: () => void;
}

export interface ConversationService {
  list(caller: Caller, query: PageQuery): Promise<ConversationList>;
  /** @throws ApiError `not_found` */
  get(caller: Caller, conversationId: string): Promise<Conversation>;
  /** Newest first. @throws ApiError `not_found` */
  messages(caller: Caller, request: { conversationId: string; query: PageQuery }): Promise<MessageList>;
  contacts(caller: Caller, query: PageQuery): Promise<ContactList>;
  /** Deletes a conversation with all that was made from it. @throws ApiError `not_found` */
  delete(caller: Caller, conversationId: string): Promise<Deletion>;
  /** Deletes a message, and each draft and sample whose prompt has it. @throws ApiError `not_found` */
  deleteMessage(caller: Caller, messageId: string): Promise<Deletion>;
}

/** @param newest the latest messages of the conversation, newest first */
function conversationOf(row: ConversationRow, newest: readonly MessageRow[]): Conversation {
  const [last] = newest;
  return {
    id: row.id,
    imessageId: row.imessageId,
    displayName: row.displayName,
    isGroup: row.isGroup,
    participantIds: row.participantIds,
    messageCount: row.messageCount,
    lastMessageAt: row.lastMessageAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    lastMessage: last ? { direction: last.direction, messageType: last.messageType, text: last.text } : null,
    waiting: messagesToAnswer(newest).length > 0,
  };
}

function messageOf(row: MessageRow): Message {
  return {
    id: row.id,
    conversationId: row.conversationId,
    imessageGuid: row.imessageGuid,
    senderId: row.senderId,
    direction: row.direction,
    messageType: row.messageType,
    text: row.text,
    sentAt: row.sentAt.toISOString(),
    editedAt: row.editedAt?.toISOString() ?? null,
    retractedAt: row.retractedAt?.toISOString() ?? null,
    readAt: row.readAt?.toISOString() ?? null,
    deliveredAt: row.deliveredAt?.toISOString() ?? null,
    ...(row.failed === true ? { failed: true } : {}),
    replyToGuid: row.replyToGuid,
    reactions: row.reactions ?? [],
    attachments: row.attachments ?? [],
  };
}

function contactOf({ id, appleId, phoneNumber, email, displayName, avatarHash }: ContactRow): Contact {
  return { id, appleId, phoneNumber, email, displayName, avatarHash };
}

function noConversation(): ApiError {
  return new ApiError("not_found", "There is no conversation with this id");
}

/** Makes the conversation service. */
export function createConversationService(options: ConversationServiceOptions): ConversationService {
  const { conversations, contacts, deletions, onOutbox } = options;

  async function withNewest(
    { accountId }: Caller,
    rows: readonly ConversationRow[],
  ): Promise<Conversation[]> {
    const conversationIds = rows.map(({ id }) => id);
    const newest = await conversations.newest(accountId, { conversationIds, limit: LOOKED_AT });
    return rows.map((row) => conversationOf(row, newest.get(row.id) ?? []));
  }

  return {
    async list(caller, query) {
      const page = await conversations.list(caller.accountId, pageRequestOf(query));
      const listed = await withNewest(caller, page.rows);
      return { conversations: listed, ...pageFieldsOf(page, query) };
    },
    async get(caller, conversationId) {
      const row = await conversations.find(caller.accountId, conversationId);
      if (row === undefined) throw noConversation();
      const [conversation] = await withNewest(caller, [row]);
      if (conversation === undefined) throw noConversation();
      return conversation;
    },
    async messages(caller, { conversationId, query }) {
      const page = await conversations.messages(caller.accountId, {
        conversationId,
        ...pageRequestOf(query),
      });
      if (page === undefined) throw noConversation();
      return { messages: page.rows.map(messageOf), ...pageFieldsOf(page, query) };
    },
    async contacts(caller, query) {
      const page = await contacts.list(caller.accountId, pageRequestOf(query));
      return { contacts: page.rows.map(contactOf), ...pageFieldsOf(page, query) };
    },
    async delete({ accountId }, conversationId) {
      const deletion = await deletions.conversation(accountId, conversationId);
      if (deletion === undefined) throw noConversation();
      onOutbox();
      return deletion;
    },
    async deleteMessage({ accountId }, messageId) {
      const deletion = await deletions.message(accountId, messageId);
      if (deletion === undefined) throw new ApiError("not_found", "There is no message with this id");
      onOutbox();
      return deletion;
    },
  };
}
