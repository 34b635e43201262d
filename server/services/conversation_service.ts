/** Reads synced conversations, messages and contacts, and deletes them for good. */
import type {
  ChangeConversationRequest,
  ChangeConversationResponse,
  Contact,
  ContactList,
  Conversation,
  ConversationList,
  ConversationsQuery,
  Deletion,
  Message,
  MessageList,
  MessagesQuery,
} from "../../contract/conversations.ts";
import type { PageQuery } from "../../contract/paging.ts";
import { MESSAGE_LABELS, MESSAGE_TIMES } from "../../contract/sync.ts";
import { ApiError } from "../../lib/errors.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { ContactStore } from "../store/messages/contact_store.ts";
import type { ConversationStore } from "../store/messages/conversation_store.ts";
import {
  type ConversationPolicy,
  DEFAULT_POLICY,
  type PolicyStore,
} from "../store/messages/conversation_policy.ts";
import type { DeletedPerson, PersonDeletionStore } from "../store/messages/person_deletion.ts";
import type { DeletedThing, DeletionStore } from "../store/messages/deletion.ts";
import type {
  Contact as ContactRow,
  Conversation as ConversationRow,
  Message as MessageRow,
} from "../store/schema.ts";
import { encodeCursor, type Page, type Position } from "../store/paging.ts";
import { pageFieldsOf, pageRequestOf } from "./paging.ts";
import type { Expectation, TriggerService } from "./trigger/trigger_service.ts";

/** How many of its newest messages decide whether a conversation waits for an answer. */
const LOOKED_AT = 10;
/** How a cursor that leads to newer messages begins; no other cursor does. */
const NEWER = "~";

export interface ConversationServiceOptions {
  conversations: ConversationStore;
  policies: PolicyStore;
  contacts: ContactStore;
  deletions: DeletionStore;
  people: PersonDeletionStore;
  /** How likely the person is to answer what waits. */
  expectReplies: TriggerService["judgeOf"];
  /** Called when the outbox may have messages for ml: cached drafts to clear, tainted adapters. */
  onOutbox: () => void;
}

export interface MessagesRequest {
  readonly conversationId: string;
  readonly query: MessagesQuery;
}

export interface ConversationService {
  list(caller: Caller, query: ConversationsQuery): Promise<ConversationList>;
  /** @throws ApiError `not_found` */
  get(caller: Caller, conversationId: string): Promise<Conversation>;
  /** Newest first. @throws ApiError `not_found` */
  messages(caller: Caller, request: MessagesRequest): Promise<MessageList>;
  /** Changes how a conversation is drafted for and learned from. @throws ApiError `not_found` */
  change(
    caller: Caller,
    request: ChangeConversationRequest & { conversationId: string },
  ): Promise<ChangeConversationResponse>;
  contacts(caller: Caller, query: PageQuery): Promise<ContactList>;
  /** Deletes a conversation with all that was made from it. @throws ApiError `not_found` */
  delete(caller: Caller, conversation: DeletedThing): Promise<Deletion>;
  /** Deletes a message, and each draft and sample whose prompt has it. @throws ApiError `not_found` */
  deleteMessage(caller: Caller, message: DeletedThing): Promise<Deletion>;
  /** Deletes a person: see the store. @throws ApiError `not_found` */
  deletePerson(caller: Caller, person: DeletedPerson): Promise<Deletion>;
}

/** @param newest the latest messages of the conversation, newest first */
function conversationOf(
  row: ConversationRow,
  newest: readonly MessageRow[],
  { policy, expectation }: { policy: ConversationPolicy; expectation: Expectation | null },
): Conversation {
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
    waiting: expectation !== null,
    replyProbability: expectation?.replyProbability ?? null,
    replyExpected: expectation?.replyExpected ?? null,
    drafting: policy.drafting,
    neverTrain: policy.neverTrain,
  };
}

function fieldsOf<Name extends string, Value>(
  names: readonly Name[],
  valueOf: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Name, Value>;
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
    ...fieldsOf(MESSAGE_TIMES, (name) => row[name]?.toISOString() ?? null),
    ...(row.failed === true ? { failed: true } : {}),
    ...fieldsOf(MESSAGE_LABELS, (name) => row[name]),
    reactions: row.reactions ?? [],
    attachments: row.attachments ?? [],
  };
}

interface OwnMessagesRequest extends MessagesRequest {
  readonly accountId: string;
}

/** A page of messages, newest first; `previous` is where newer ones are to be read on from, null at the newest. */
type MessagePage = Page<MessageRow> & { readonly previous?: Position | null };

/** The page just newer than a position. */
async function pageNewerThan(
  store: ConversationStore,
  { accountId, conversationId, query }: OwnMessagesRequest,
): Promise<MessagePage | undefined> {
  const cursor = query.cursor?.slice(NEWER.length);
  const newer = { conversationId, ...pageRequestOf({ ...query, cursor }), order: "oldest" } as const;
  const page = await store.messages(accountId, newer);
  if (page === undefined) return undefined;
  const rows = page.rows.toReversed();
  const oldest = rows.at(-1);
  return { ...page, rows, next: oldest ? { at: oldest.sentAt, id: oldest.id } : null, previous: page.next };
}

/** The page in whose middle a message is. */
async function pageAround(
  store: ConversationStore,
  { accountId, conversationId, query: { around = "", pageSize } }: OwnMessagesRequest,
): Promise<MessagePage | undefined> {
  const found = (await store.histories(accountId, { messageIds: [around], limit: 0 })).get(around);
  if (found?.message.conversationId !== conversationId) throw noMessage();
  const after = { at: found.message.sentAt, id: found.message.id };
  const newerSize = Math.floor((pageSize - 1) / 2);
  const part = { conversationId, page: 1, after };
  const [newer, older] = await Promise.all([
    store.messages(accountId, { ...part, order: "oldest", pageSize: newerSize }),
    store.messages(accountId, { ...part, pageSize: pageSize - 1 - newerSize }),
  ]);
  if (newer === undefined || older === undefined) return undefined;
  const rows = [...newer.rows.toReversed(), found.message, ...older.rows];
  return { ...older, rows, previous: newer.next };
}

function messagePage(
  store: ConversationStore,
  request: OwnMessagesRequest,
): Promise<MessagePage | undefined> {
  const { accountId, conversationId, query } = request;
  if (query.cursor?.startsWith(NEWER)) return pageNewerThan(store, request);
  if (query.around !== undefined && query.cursor === undefined) return pageAround(store, request);
  return store.messages(accountId, { conversationId, ...pageRequestOf(query) });
}

function contactOf({ id, appleId, phoneNumber, email, displayName, avatarHash }: ContactRow): Contact {
  return { id, appleId, phoneNumber, email, displayName, avatarHash };
}

function noMessage(): ApiError {
  return new ApiError("not_found", "There is no message with this id");
}

function noConversation(): ApiError {
  return new ApiError("not_found", "There is no conversation with this id");
}

function deleting(
  { deletions, people, onOutbox }: ConversationServiceOptions,
): Pick<ConversationService, "delete" | "deleteMessage" | "deletePerson"> {
  return {
    async delete({ accountId }, conversation) {
      const deletion = await deletions.conversation(accountId, conversation);
      if (deletion === undefined) throw noConversation();
      onOutbox();
      return deletion;
    },
    async deleteMessage({ accountId }, message) {
      const deletion = await deletions.message(accountId, message);
      if (deletion === undefined) throw noMessage();
      onOutbox();
      return deletion;
    },
    async deletePerson({ accountId }, person) {
      const deletion = await people.delete(accountId, person);
      if (deletion === undefined) throw new ApiError("not_found", "Nothing is known of this address");
      onOutbox();
      return deletion;
    },
  };
}

/** Makes the conversation service. */
export function createConversationService(options: ConversationServiceOptions): ConversationService {
  const { conversations, contacts, policies, expectReplies, onOutbox } = options;

  async function withNewest(
    { accountId }: Caller,
    rows: readonly ConversationRow[],
  ): Promise<Conversation[]> {
    const conversationIds = rows.map(({ id }) => id);
    const [newest, chosen, expect] = await Promise.all([
      conversations.newest(accountId, { conversationIds, limit: LOOKED_AT }),
      policies.find(accountId, conversationIds),
      expectReplies(accountId),
    ]);
    return rows.map((row) => {
      const messages = newest.get(row.id) ?? [];
      const policy = chosen.get(row.id) ?? DEFAULT_POLICY;
      return conversationOf(row, messages, { policy, expectation: expect(row, messages) });
    });
  }

  async function get(caller: Caller, conversationId: string): Promise<Conversation> {
    const row = await conversations.find(caller.accountId, conversationId);
    const [conversation] = await withNewest(caller, row === undefined ? [] : [row]);
    if (conversation === undefined) throw noConversation();
    return conversation;
  }

  return {
    async list(caller, { drafting, neverTrain, ...query }) {
      const request = { ...pageRequestOf(query), drafting, neverTrain };
      const page = await conversations.list(caller.accountId, request);
      const listed = await withNewest(caller, page.rows);
      return { conversations: listed, ...pageFieldsOf(page, query) };
    },
    get,
    async change(caller, { conversationId, ...change }) {
      const deletion = await policies.change(caller.accountId, { conversationId, ...change });
      if (deletion === undefined) throw noConversation();
      onOutbox();
      return { conversation: await get(caller, conversationId), deletion };
    },
    async messages({ accountId }, request) {
      const { query } = request;
      const page = await messagePage(conversations, { accountId, ...request });
      if (page === undefined) throw noConversation();
      const messages = page.rows.map(messageOf);
      if (page.previous === undefined) return { messages, ...pageFieldsOf(page, query) };
      const previousCursor = page.previous && NEWER + encodeCursor(page.previous);
      return { messages, ...pageFieldsOf(page, query), previousCursor };
    },
    async contacts(caller, query) {
      const page = await contacts.list(caller.accountId, pageRequestOf(query));
      return { contacts: page.rows.map(contactOf), ...pageFieldsOf(page, query) };
    },
    ...deleting(options),
  };
}
