/** Reads conversations and their messages. */
import { and, eq, isNotNull, isNull, ne, sql as drizzleSql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { bindTo, type Database } from "../database.ts";
import {
  ahead,
  behind,
  newestFirst,
  oldestFirst,
  type Page,
  type PageRequest,
  readNewest,
  readPage,
} from "../paging.ts";
import { type ConversationPolicy, hasPolicy } from "./conversation_policy.ts";
import { type Conversation, conversations, type Message, messages } from "../schema.ts";

/** A page of messages; `order` is by (sentAt, id), newest first unless said otherwise. */
export interface MessagePageRequest extends PageRequest {
  readonly conversationId: string;
  readonly order?: "newest" | "oldest";
}

/** A page of conversations: of all, or of those of a policy. */
export type ConversationPageRequest = PageRequest & Partial<ConversationPolicy>;

export interface ConversationStore {
  /** Conversations, the one with the latest message first. */
  list(accountId: string, request: ConversationPageRequest): Promise<Page<Conversation>>;
  find(accountId: string, conversationId: string): Promise<Conversation | undefined>;
  /** The newest messages of some conversations, newest first, by the conversation's id. */
  newest(accountId: string, request: NewestRequest): Promise<ReadonlyMap<string, readonly Message[]>>;
  /** Messages of a conversation; undefined when the account has no such conversation. */
  messages(accountId: string, request: MessagePageRequest): Promise<Page<Message> | undefined>;
  /** What replies to messages are drafted from, by the messages' ids; those that the account does not have are left out. */
  histories(accountId: string, request: HistoryRequest): Promise<ReadonlyMap<string, MessageHistory>>;
  /**
   * The other two-person conversations with the person of this one, whose addresses share a `personId`; none of a group,
   * nor of a conversation somebody else takes part in.
   */
  withSamePerson(accountId: string, conversationId: string): Promise<readonly string[]>;
  /** The latest messages of some conversations that came before a message, oldest first; only `READABLE` ones. */
  before(accountId: string, request: BeforeRequest): Promise<readonly Message[]>;
  /** The latest incoming message of a conversation that has text and was not unsent. */
  latestIncoming(accountId: string, conversationId: string): Promise<Message | undefined>;
}

export interface NewestRequest {
  readonly conversationIds: readonly string[];
  /** Of each conversation. */
  readonly limit: number;
}

export interface HistoryRequest {
  readonly messageIds: readonly string[];
  /** Messages before each of them. */
  readonly limit: number;
}

export interface BeforeRequest {
  readonly message: Pick<Message, "id" | "sentAt">;
  readonly conversationIds: readonly string[];
  readonly limit: number;
}

export interface MessageHistory {
  readonly message: Message;
  /** The latest before it in its conversation, oldest first; only those that people can read, see `READABLE`. */
  readonly before: readonly Message[];
}

/** When a conversation was last active; the index `conversations_recent` has this very expression. */
const ACTIVITY = drizzleSql`coalesce(${conversations.lastMessageAt}, ${conversations.createdAt})`;
/** Has text, was not unsent, did not fail, and is no notice of the system or an app. */
const READABLE = and(
  isNotNull(messages.text),
  ne(messages.text, ""),
  isNull(messages.retractedAt),
  isNull(messages.failed),
  ne(messages.messageType, "system"),
);
const TIMELINE = { time: messages.sentAt, id: messages.id };

function list(
  database: Database,
  accountId: string,
  request: ConversationPageRequest,
): Promise<Page<Conversation>> {
  return readNewest(database, request, {
    table: conversations,
    where: and(eq(conversations.accountId, accountId), hasPolicy(request)),
    time: ACTIVITY,
    timeOf: (row) => row.lastMessageAt ?? row.createdAt,
  });
}

async function find(
  { db }: Database,
  accountId: string,
  conversationId: string,
): Promise<Conversation | undefined> {
  const [row] = await db.select().from(conversations)
    .where(and(eq(conversations.accountId, accountId), eq(conversations.id, conversationId)));
  return row;
}

async function newest(
  { db }: Database,
  accountId: string,
  { conversationIds, limit }: NewestRequest,
): Promise<Map<string, Message[]>> {
  const latest = db.select().from(messages).where(eq(messages.conversationId, conversations.id))
    .orderBy(...newestFirst(TIMELINE)).limit(limit).as("latest");
  const rows = await db.select().from(conversations).innerJoinLateral(latest, drizzleSql`true`)
    .where(and(
      eq(conversations.accountId, accountId),
      drizzleSql`${conversations.id} = any(${drizzleSql.param(conversationIds)}::uuid[])`,
    ))
    .orderBy(...newestFirst({ time: latest.sentAt, id: latest.id }));
  return Map.groupBy(rows.map((row) => row.latest), ({ conversationId }) => conversationId);
}

async function messagePage(
  database: Database,
  accountId: string,
  request: MessagePageRequest,
): Promise<Page<Message> | undefined> {
  const conversation = await find(database, accountId, request.conversationId);
  if (!conversation) return undefined;
  const here = eq(messages.conversationId, conversation.id);
  const [order, beyond, reversed] = request.order === "oldest"
    ? [oldestFirst, ahead, newestFirst]
    : [newestFirst, behind, oldestFirst];
  return await readPage(request, {
    total: () => Promise.resolve(conversation.messageCount),
    rows: ({ limit, offset, after, fromEnd }) =>
      database.db.select().from(messages).where(and(here, beyond(after, TIMELINE)))
        .orderBy(...(fromEnd ? reversed : order)(TIMELINE)).limit(limit).offset(offset),
    positionOf: (message) => ({ at: message.sentAt, id: message.id }),
  });
}

async function histories(
  { db }: Database,
  accountId: string,
  { messageIds, limit }: HistoryRequest,
): Promise<Map<string, MessageHistory>> {
  const last = alias(messages, "last");
  const isEarlier = drizzleSql`(${messages.sentAt}, ${messages.id}) < (${last.sentAt}, ${last.id})`;
  const earlier = db.select().from(messages)
    .where(and(eq(messages.conversationId, last.conversationId), isEarlier, READABLE))
    .orderBy(...newestFirst(TIMELINE)).limit(limit).as("earlier");
  const rows = await db.select().from(last).leftJoinLateral(earlier, drizzleSql`true`)
    .where(and(
      eq(last.accountId, accountId),
      drizzleSql`${last.id} = any(${drizzleSql.param(messageIds)}::uuid[])`,
    ))
    .orderBy(...oldestFirst({ time: earlier.sentAt, id: earlier.id }));
  const found = new Map<string, { message: Message; before: Message[] }>();
  for (const { last: message, earlier } of rows) {
    const history = found.get(message.id) ?? { message, before: [] };
    found.set(message.id, history);
    if (earlier !== null) history.before.push(earlier);
  }
  return found;
}

async function withSamePerson(
  { sql }: Database,
  accountId: string,
  conversationId: string,
): Promise<string[]> {
  // Most people have one address, or are no contact: for them the other conversations are not looked at.
  const [person] = await sql<{ addresses: string[] | null }>`
    with addresses as (
      select c.person_id, lower(a.address) as address
      from contacts c cross join lateral (values (c.apple_id), (c.phone_number), (c.email)) as a(address)
      where c.account_id = ${accountId} and c.person_id is not null and a.address is not null
    )
    select array_agg(address) as addresses from addresses where person_id = (
      select min(a.person_id) from addresses a
      join conversations d on d.account_id = ${accountId} and d.id = ${conversationId} and not d.is_group
        and a.address = any(lower(d.participant_ids::text)::text[]))`;
  if (!person?.addresses) return [];
  const rows = await sql<{ id: string }>`
    select id from conversations
    where account_id = ${accountId} and not is_group and participant_ids <> '{}'
      and lower(participant_ids::text)::text[] <@ ${person.addresses}::text[]`;
  const ids = rows.map(({ id }) => id);
  return ids.includes(conversationId) ? ids.filter((id) => id !== conversationId) : [];
}

async function before(
  { db }: Database,
  accountId: string,
  { message, conversationIds, limit }: BeforeRequest,
): Promise<Message[]> {
  const position = { at: message.sentAt, id: message.id };
  // One by one: of each its index gives the newest without reading the others.
  const found = await Promise.all(
    conversationIds.map((conversationId) =>
      db.select().from(messages)
        .where(and(
          eq(messages.accountId, accountId),
          eq(messages.conversationId, conversationId),
          behind(position, TIMELINE),
          READABLE,
        ))
        .orderBy(...newestFirst(TIMELINE)).limit(limit)
    ),
  );
  return inOrder(found.flat()).slice(-limit);
}

/** Messages of several conversations by (sentAt, id), oldest first. */
export function inOrder(rows: readonly Message[]): Message[] {
  return rows.toSorted((a, b) => a.sentAt.getTime() - b.sentAt.getTime() || (a.id < b.id ? -1 : 1));
}

async function latestIncoming(
  { db }: Database,
  accountId: string,
  conversationId: string,
): Promise<Message | undefined> {
  const [row] = await db.select().from(messages)
    .where(and(
      eq(messages.accountId, accountId),
      eq(messages.conversationId, conversationId),
      eq(messages.direction, "incoming"),
      READABLE,
    ))
    .orderBy(...newestFirst(TIMELINE)).limit(1);
  return row;
}

export function createConversationStore(database: Database): ConversationStore {
  return bindTo(database, {
    list,
    find,
    newest,
    messages: messagePage,
    histories,
    withSamePerson,
    before,
    latestIncoming,
  });
}
