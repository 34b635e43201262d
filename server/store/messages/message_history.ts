/** Reads an account's latest messages of all conversations, to learn which of them the person answers. */
import { bindTo, type Database } from "../database.ts";
import type { Message } from "../schema.ts";

/** A message that has text and was not unsent. */
export interface PastMessage extends
  Pick<
    Message,
    "conversationId" | "imessageGuid" | "replyToGuid" | "senderId" | "direction" | "messageType"
  > {
  readonly sentAt: Date;
  readonly failed: boolean | null;
  readonly retractedAt: null;
  /** Its beginning. */
  readonly text: string;
  readonly isGroup: boolean;
}

export interface MessageHistoryStore {
  /** How many messages the account has. */
  count(accountId: string): Promise<number>;
  /** The latest messages, newest first. */
  latest(accountId: string, limit: number): Promise<readonly PastMessage[]>;
}

/** In characters: what is asked stands in them. */
const READ_LENGTH = 1_000;

async function count({ sql }: Database, accountId: string): Promise<number> {
  const [row] = await sql<{ count: number }>`
    select coalesce(sum(message_count), 0)::integer as count from conversations where account_id = ${accountId}`;
  return row?.count ?? 0;
}

async function latest({ sql }: Database, accountId: string, limit: number): Promise<readonly PastMessage[]> {
  const rows = await sql<Omit<PastMessage, "sentAt"> & { sentAt: number }>`
    select m.conversation_id as "conversationId", m.imessage_guid as "imessageGuid", m.reply_to_guid as "replyToGuid",
      m.sender_id as "senderId", m.direction, m.message_type as "messageType", m.failed, m.retracted_at as "retractedAt",
      left(m.text, ${READ_LENGTH}) as text, (extract(epoch from m.sent_at) * 1000)::float8 as "sentAt",
      c.is_group as "isGroup"
    from (
      select * from messages m where m.account_id = ${accountId} and m.text <> '' and m.retracted_at is null
      order by m.sent_at desc, m.id desc limit ${limit}) m
    join conversations c on c.id = m.conversation_id
    order by m.sent_at desc, m.id desc`;
  return rows.map(({ sentAt, ...row }) => ({ ...row, sentAt: new Date(sentAt) }));
}

export function createMessageHistory(database: Database): MessageHistoryStore {
  return bindTo(database, { count, latest });
}
