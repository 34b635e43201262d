/** Reads what was written after a message from the owner's reply on, to see what was really sent in place of a draft. */
import { and, eq, inArray } from "drizzle-orm";
import type { Database } from "../database.ts";
import { type Message, messages } from "../schema.ts";

/** Messages in order, of which the first is the owner's reply. */
export interface MessagesFromReply {
  /** The text of the message that was asked for. */
  readonly askedText: string | null;
  /** The last message of others before the reply. */
  readonly answeredMessageId: string;
  readonly messages: readonly Message[];
}

/** A reply behind more messages than this is not looked for: it answers something else by then. */
const MAX_BEFORE_REPLY = 200;
/** More bubbles than anybody's reply has, with what others write between them. */
const MAX_FROM_REPLY = 30;

/** By the ids of the messages; those after which the owner sent nothing that arrived are left out. */
export async function repliesTo(
  { sql, db }: Database,
  accountId: string,
  messageIds: readonly string[],
): Promise<Map<string, MessagesFromReply>> {
  const found = await sql<Omit<MessagesFromReply, "messages"> & { askedId: string; ids: string[] }>`
    select asked.id as "askedId", asked.text as "askedText", coalesce(answered.id, asked.id) as "answeredMessageId", array(
        select f.id from messages f
        where f.conversation_id = asked.conversation_id and (f.sent_at, f.id) >= (reply.sent_at, reply.id)
        order by f.sent_at, f.id limit ${MAX_FROM_REPLY}) as ids
    from messages asked
    cross join lateral (
      select n.sent_at, n.id from (
        select * from messages n
        where n.conversation_id = asked.conversation_id and (n.sent_at, n.id) > (asked.sent_at, asked.id)
        order by n.sent_at, n.id limit ${MAX_BEFORE_REPLY}) n
      where n.direction = 'outgoing' and n.message_type <> 'system'
        and n.failed is not true and n.retracted_at is null
      order by n.sent_at, n.id limit 1) reply
    left join lateral (
      select e.id from messages e
      where e.conversation_id = asked.conversation_id and (e.sent_at, e.id) < (reply.sent_at, reply.id)
        and (e.sent_at, e.id) > (asked.sent_at, asked.id)
        and e.direction = 'incoming' and e.message_type <> 'system' and e.retracted_at is null
      order by e.sent_at desc, e.id desc limit 1) answered on true
    where asked.account_id = ${accountId} and asked.id = any(${[...new Set(messageIds)]}::uuid[])`;
  if (found.length === 0) return new Map();
  const isWanted = inArray(messages.id, [...new Set(found.flatMap(({ ids }) => ids))]);
  const rows = await db.select().from(messages).where(and(eq(messages.accountId, accountId), isWanted));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return new Map(found.map(({ askedId, ids, ...reply }) => {
    return [askedId, { ...reply, messages: ids.flatMap((id) => byId.get(id) ?? []) }];
  }));
}
