/** Owns finding what the person sent in answer to whom: the replies that an import makes samples of. */
import type { MessageDirection } from "../../contract/sync.ts";
import type { Database } from "./database.ts";

/** Messages of one's own that follow each other within this time are one reply. */
const BUBBLE_GAP_SECONDS = 120;

/** One reply: bubbles sent one after the other in a direct conversation. */
export interface SentReply {
  /** The first bubble; a sample of it has this message id. */
  readonly messageId: string;
  /** All of its bubbles, in order. */
  readonly bubbleIds: readonly string[];
  /** The text of each bubble, in order. */
  readonly texts: readonly string[];
  /** The readable message before the reply; null at the start of a conversation. */
  readonly before: {
    readonly messageId: string;
    readonly direction: MessageDirection;
    readonly senderId: string | null;
  } | null;
  /** From that message to the first bubble; null without one. */
  readonly delaySeconds: number | null;
  /** The reply, or the draft of an answer to the same message, is a sample already. */
  readonly isSample: boolean;
}

type Row = Omit<SentReply, "before"> & {
  beforeId: string | null;
  beforeDirection: MessageDirection | null;
  beforeSender: string | null;
};

function replyOf(
  { beforeId: messageId, beforeDirection: direction, beforeSender, ...reply }: Row,
): SentReply {
  const before = messageId === null || direction === null
    ? null
    : { messageId, direction, senderId: beforeSender };
  return { ...reply, before };
}

/** Which replies to find; at most `limit`. */
export interface SentReplyRequest {
  readonly accountId: string;
  /** Absent: all direct conversations. */
  readonly conversationIds?: readonly string[];
  readonly limit: number;
}

/**
 * The account's replies in direct conversations, latest first, those that are samples already last. "Readable" is what
 * a draft's history shows: messages that have text and were not unsent.
 */
export async function sentReplies(
  { sql }: Database,
  { accountId, conversationIds, limit }: SentReplyRequest,
): Promise<readonly SentReply[]> {
  const only = conversationIds === undefined ? sql`` : sql`and c.id = any(${[...conversationIds]}::uuid[])`;
  const rows = await sql<Row[]>`
    with readable as (
      select m.id, m.conversation_id, m.direction, m.text, m.sent_at, m.sender_id,
        lag(m.id) over timeline as before_id, lag(m.direction) over timeline as before_direction,
        lag(m.sender_id) over timeline as before_sender, lag(m.sent_at) over timeline as before_at
      from messages m join conversations c on c.id = m.conversation_id
      where c.account_id = ${accountId} and not c.is_group and m.text <> '' and m.retracted_at is null ${only}
      window timeline as (partition by m.conversation_id order by m.sent_at, m.id)
    ), runs as (
      select *, count(*) filter (where direction = 'incoming' or before_direction is distinct from 'outgoing'
          or sent_at - before_at > make_interval(secs => ${BUBBLE_GAP_SECONDS}))
        over (partition by conversation_id order by sent_at, id) as run
      from readable
    ), replies as (
      select (array_agg(id order by sent_at, id))[1] as first_id, max(sent_at) as last_at,
        array_agg(id order by sent_at, id) as ids, array_agg(text order by sent_at, id) as texts
      from runs where direction = 'outgoing' group by conversation_id, run
    )
    select r.first_id as "messageId", r.ids as "bubbleIds", r.texts, f.before_id as "beforeId", f.before_direction as "beforeDirection",
      f.before_sender as "beforeSender", extract(epoch from f.sent_at - f.before_at)::float8 as "delaySeconds",
      r.first_id in (select message_id from training_samples
          where account_id = ${accountId} and source = 'import' and message_id is not null)
        or coalesce(f.before_id in (select message_id from training_samples
          where account_id = ${accountId} and source in ('accept', 'edit') and message_id is not null), false)
        as "isSample"
    from replies r join readable f on f.id = r.first_id
    order by "isSample", r.last_at desc, r.first_id desc
    limit ${limit}`;
  return rows.map(replyOf);
}
