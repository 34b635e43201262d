/** Owns the reading of conversations and their messages. */
import { and, eq, isNotNull, isNull, ne, type SQL, sql as drizzleSql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { ahead, behind, newestFirst, oldestFirst, type Page, type PageRequest, readPage } from "./paging.ts";
import { type Conversation, conversations, type Message, messages } from "./schema.ts";

/** A page of messages; `order` is by (sentAt, id), newest first unless said otherwise. */
export interface MessagePageRequest extends PageRequest {
  readonly conversationId: string;
  readonly order?: "newest" | "oldest";
}

export interface ConversationStore {
  /** Conversations, the one with the latest message first. */
  list(accountId: string, page: PageRequest): Promise<Page<Conversation>>;
  find(accountId: string, conversationId: string): Promise<Conversation | undefined>;
  /** Messages of a conversation; undefined when the account has no such conversation. */
  messages(accountId: string, request: MessagePageRequest): Promise<Page<Message> | undefined>;
  findMessage(accountId: string, messageId: string): Promise<Message | undefined>;
  /**
   * What a reply to this message is drafted from: up to `limit` messages before it in its conversation, then the
   * message itself; oldest first, only those that have text and were not unsent.
   */
  history(accountId: string, request: HistoryRequest): Promise<readonly Message[]>;
  /** The latest incoming message of a conversation that has text and was not unsent. */
  latestIncoming(accountId: string, conversationId: string): Promise<Message | undefined>;
}

export interface HistoryRequest {
  readonly messageId: string;
  readonly limit: number;
}

/** When a conversation was last active; the index `conversations_recent` has this very expression. */
const ACTIVITY = drizzleSql`coalesce(${conversations.lastMessageAt}, ${conversations.createdAt})`;
const READABLE = and(isNotNull(messages.text), ne(messages.text, ""), isNull(messages.retractedAt));
const TIMELINE = { time: messages.sentAt, id: messages.id };

function list(
  { db }: Database,
  { accountId, page }: { accountId: string; page: PageRequest },
): Promise<Page<Conversation>> {
  const mine = eq(conversations.accountId, accountId);
  const order = { time: ACTIVITY, id: conversations.id };
  return readPage(page, {
    total: () => db.$count(conversations, mine),
    rows: ({ limit, offset, after }) =>
      db.select().from(conversations).where(and(mine, behind(after, order)))
        .orderBy(...newestFirst(order)).limit(limit).offset(offset),
    positionOf: (row) => ({ at: row.lastMessageAt ?? row.createdAt, id: row.id }),
  });
}

async function find(
  { db }: Database,
  { accountId, conversationId }: { accountId: string; conversationId: string },
): Promise<Conversation | undefined> {
  const [row] = await db.select().from(conversations)
    .where(and(eq(conversations.accountId, accountId), eq(conversations.id, conversationId)));
  return row;
}

async function messagePage(
  database: Database,
  { accountId, request }: { accountId: string; request: MessagePageRequest },
): Promise<Page<Message> | undefined> {
  const conversation = await find(database, { accountId, conversationId: request.conversationId });
  if (!conversation) return undefined;
  const here = eq(messages.conversationId, conversation.id);
  const [order, beyond] = request.order === "oldest" ? [oldestFirst, ahead] : [newestFirst, behind];
  return await readPage(request, {
    total: () => Promise.resolve(conversation.messageCount),
    rows: ({ limit, offset, after }) =>
      database.db.select().from(messages).where(and(here, beyond(after, TIMELINE)))
        .orderBy(...order(TIMELINE)).limit(limit).offset(offset),
    positionOf: (message) => ({ at: message.sentAt, id: message.id }),
  });
}

async function findMessage(
  { db }: Database,
  { accountId, messageId }: { accountId: string; messageId: string },
): Promise<Message | undefined> {
  const [row] = await db.select().from(messages)
    .where(and(eq(messages.accountId, accountId), eq(messages.id, messageId)));
  return row;
}

async function latestReadable(
  { db }: Database,
  { where, limit }: { where: SQL | undefined; limit: number },
): Promise<Message[]> {
  return await db.select().from(messages).where(and(where, READABLE)).orderBy(...newestFirst(TIMELINE)).limit(
    limit,
  );
}

async function history(
  database: Database,
  { accountId, request }: { accountId: string; request: HistoryRequest },
): Promise<readonly Message[]> {
  const last = await findMessage(database, { accountId, messageId: request.messageId });
  if (!last) return [];
  const earlier = behind({ at: last.sentAt, id: last.id }, TIMELINE);
  const before = await latestReadable(database, {
    where: and(eq(messages.conversationId, last.conversationId), earlier),
    limit: request.limit,
  });
  const readable = last.text && !last.retractedAt;
  return [...before.reverse(), ...(readable ? [last] : [])];
}

async function latestIncoming(
  database: Database,
  { accountId, conversationId }: { accountId: string; conversationId: string },
): Promise<Message | undefined> {
  const [row] = await latestReadable(database, {
    where: and(
      eq(messages.accountId, accountId),
      eq(messages.conversationId, conversationId),
      eq(messages.direction, "incoming"),
    ),
    limit: 1,
  });
  return row;
}

export function createConversationStore(database: Database): ConversationStore {
  return {
    list: (accountId, page) => list(database, { accountId, page }),
    find: (accountId, conversationId) => find(database, { accountId, conversationId }),
    messages: (accountId, request) => messagePage(database, { accountId, request }),
    findMessage: (accountId, messageId) => findMessage(database, { accountId, messageId }),
    history: (accountId, request) => history(database, { accountId, request }),
    latestIncoming: (accountId, conversationId) => latestIncoming(database, { accountId, conversationId }),
  };
}
