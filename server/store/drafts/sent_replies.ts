/** Finds the replies that the person sent, for the import of training samples. */
import type { MessageDirection } from "../../../contract/sync.ts";
import type { Database } from "../database.ts";
import { fragment } from "../sql.ts";

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
    readonly text: string;
  } | null;
  /** From that message to the first bubble; null without one. */
  readonly delaySeconds: number | null;
  /** The reply, or the draft of an answer to the same message, is a sample already. */
  readonly isSample: boolean;
}

type Row = Omit<SentReply, "before"> & {
  beforeId: string | null;
  beforeText: string | null;
  beforeDirection: MessageDirection | null;
  beforeSender: string | null;
};

function replyOf(
  { beforeId: messageId, beforeDirection: direction, beforeSender, beforeText, ...reply }: Row,
): SentReply {
  const before = messageId === null || direction === null
    ? null
    : { messageId, direction, senderId: beforeSender, text: beforeText ?? "" };
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
 * a draft's history shows: messages that have text, were not unsent, did not fail, and are no notices.
 *
 * Nothing is joined onto the replies: after a first sync the planner knows of no messages yet, and would compare each
 * reply with all of them.
 */
export async function sentReplies(
  { sql }: Database,
  { accountId, conversationIds, limit }: SentReplyRequest,
): Promise<readonly SentReply[]> {
  const only = conversationIds === undefined
    ? fragment``
    : fragment`and c.id = any(${[...conversationIds]}::uuid[])`;
  const rows = await sql<Row>`
    with readable as (
      select m.id, m.conversation_id, m.direction, m.text, m.sent_at, m.sender_id,
        lag(m.id) over timeline as before_id, lag(m.direction) over timeline as before_direction,
        lag(m.sender_id) over timeline as before_sender, lag(m.text) over timeline as before_text,
        lag(m.sent_at) over timeline as before_at
      from messages m join conversations c on c.id = m.conversation_id
      where c.account_id = ${accountId} and not c.is_group and m.text <> '' and m.retracted_at is null
        and m.failed is null and m.message_type <> 'system' ${only}
      window timeline as (partition by m.conversation_id order by m.sent_at, m.id)
    ), runs as (
      select *, count(*) filter (where direction = 'incoming' or before_direction is distinct from 'outgoing'
          or sent_at - before_at > make_interval(secs => ${BUBBLE_GAP_SECONDS}))
        over (partition by conversation_id order by sent_at, id) as run
      from readable
    ), replies as (
      select array_agg(id order by sent_at, id) as ids, array_agg(text order by sent_at, id) as texts,
        min(sent_at) as first_at, max(sent_at) as last_at,
        (array_agg(before_id order by sent_at, id))[1] as before_id,
        (array_agg(before_direction order by sent_at, id))[1] as before_direction,
        (array_agg(before_sender order by sent_at, id))[1] as before_sender,
        (array_agg(before_text order by sent_at, id))[1] as before_text,
        (array_agg(before_at order by sent_at, id))[1] as before_at
      from runs where direction = 'outgoing' group by conversation_id, run
    )
    select ids[1] as "messageId", ids as "bubbleIds", texts, before_id as "beforeId",
      before_direction as "beforeDirection", before_sender as "beforeSender", before_text as "beforeText",
      extract(epoch from first_at - before_at)::float8 as "delaySeconds",
      ids[1] in (select message_id from training_samples
          where account_id = ${accountId} and source = 'import' and message_id is not null)
        or coalesce(before_id in (select message_id from training_samples
          where account_id = ${accountId} and source in ('accept', 'edit') and message_id is not null), false)
        as "isSample"
    from replies
    order by "isSample", last_at desc, ids[1] desc
    limit ${limit}`;
  return rows.map(replyOf);
}
