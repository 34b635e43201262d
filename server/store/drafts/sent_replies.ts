/** Finds the replies that the person sent, for the import of training samples and for the examples of drafts. */
import type { SQL } from "drizzle-orm";
import type { MessageDirection } from "../../../contract/sync.ts";
import type { Database } from "../database.ts";
import { fragment, rawFragment } from "../sql.ts";

/** Messages of one's own that follow each other within this time are one reply. */
export const BUBBLE_GAP_SECONDS = 120;

/** One reply: bubbles sent one after the other in a conversation. */
export interface SentReply {
  readonly conversationId: string;
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
  /** Nothing is learned from its conversation. */
  readonly neverTrain: boolean;
  /** One of its bubbles, or the message before, was edited. */
  readonly isEdited: boolean;
}

type Row = Omit<SentReply, "before"> & {
  beforeId: string | null;
  beforeText: string | null;
  beforeDirection: MessageDirection | null;
  beforeSender: string | null;
};

function replyOf(
  {
    beforeId: messageId,
    beforeDirection: direction,
    beforeSender,
    beforeText,
    lastAt: _lastAt,
    lastId: _lastId,
    ...reply
  }: PlacedRow,
): SentReply {
  const before = messageId === null || direction === null
    ? null
    : { messageId, direction, senderId: beforeSender, text: beforeText ?? "" };
  return { ...reply, before };
}

/** Which replies to find. */
export interface SentReplyRequest {
  readonly accountId: string;
  /** Absent: all. */
  readonly conversationIds?: readonly string[];
  /** Of groups instead of two-person conversations. */
  readonly inGroups?: boolean;
  /** Only replies that were sent before this message. */
  readonly before?: { readonly id: string; readonly sentAt: Date };
}

/** Replies looked for at once. */
const CHUNK = 250;

/** "Readable" is what a draft's history shows: messages that have text, were not unsent, did not fail, and are no notices. */
function readable(message: SQL): SQL {
  return fragment`${message}.text <> '' and ${message}.retracted_at is null and ${message}.failed is null
    and ${message}.message_type <> 'system'`;
}

/** Where to read on: behind a bubble, or a message. */
interface Place {
  readonly lastAt: string;
  readonly lastId: string;
}

/** A reply as it is read: with the place of its last bubble in the account's time. */
type PlacedRow = Row & Place;

/**
 * Some replies whose last bubble lies before a place, latest first. From each last bubble (`tails`) it walks back, message
 * by message, to the one before the reply: two look-ups in an index a message, however long the history is.
 */
function repliesBefore(
  { sql }: Database,
  { accountId, conversationIds, inGroups = false }: SentReplyRequest,
  place: Place | undefined,
): Promise<PlacedRow[]> {
  const only = conversationIds === undefined
    ? fragment``
    : fragment`and m.conversation_id = any(${[...conversationIds]}::uuid[])`;
  const before = place === undefined
    ? fragment``
    : fragment`and (m.sent_at, m.id) < (${place.lastAt}::timestamptz, ${place.lastId}::uuid)`;
  const [m, next, previous] = [rawFragment("m"), rawFragment("n"), rawFragment("p")];
  return sql<PlacedRow>`
    with recursive tails as materialized (
      select m.id, m.conversation_id, m.text, m.sent_at, m.edited_at from messages m
      where m.account_id = ${accountId} and m.direction = 'outgoing' and ${readable(m)} ${only} ${before}
        and ${inGroups} = (select c.is_group from conversations c where c.id = m.conversation_id)
        and not coalesce((
          select n.direction = 'outgoing' and n.sent_at - m.sent_at <= make_interval(secs => ${BUBBLE_GAP_SECONDS})
          from messages n where n.conversation_id = m.conversation_id and ${readable(next)}
            and (n.sent_at, n.id) > (m.sent_at, m.id)
          order by n.sent_at, n.id limit 1), false)
      order by m.sent_at desc, m.id desc limit ${CHUNK}
    ), walk as (
      select t.id as tail, 0 as step, true as bubble, t.conversation_id, t.id, t.text, t.sent_at,
        'outgoing' as direction, null::text as sender_id, t.edited_at
      from tails t
      union all
      select w.tail, w.step + 1,
        p.direction = 'outgoing' and w.sent_at - p.sent_at <= make_interval(secs => ${BUBBLE_GAP_SECONDS}),
        w.conversation_id, p.id, p.text, p.sent_at, p.direction, p.sender_id, p.edited_at
      from walk w cross join lateral (
        select p.id, p.text, p.sent_at, p.direction, p.sender_id, p.edited_at from messages p
        where p.conversation_id = w.conversation_id and ${readable(previous)}
          and (p.sent_at, p.id) < (w.sent_at, w.id)
        order by p.sent_at desc, p.id desc limit 1) p
      where w.bubble
    ), replies as (
      select tail, array_agg(id order by step desc) filter (where bubble) as ids,
        array_agg(text order by step desc) filter (where bubble) as texts,
        min(sent_at) filter (where bubble) as first_at, max(sent_at) filter (where bubble) as last_at,
        min(id::text) filter (where not bubble) as before_id, min(direction) filter (where not bubble) as before_direction,
        min(sender_id) filter (where not bubble) as before_sender, min(text) filter (where not bubble) as before_text,
        min(sent_at) filter (where not bubble) as before_at,
        min(conversation_id::text) as conversation_id, bool_or(edited_at is not null) as is_edited
      from walk group by tail
    )
    select conversation_id as "conversationId", is_edited as "isEdited", ids[1] as "messageId", ids as "bubbleIds", texts, before_id as "beforeId",
      before_direction as "beforeDirection", before_sender as "beforeSender", before_text as "beforeText",
      extract(epoch from first_at - before_at)::float8 as "delaySeconds",
      last_at::text as "lastAt", tail as "lastId",
      exists (select from training_samples s
          where s.account_id = ${accountId} and s.source in ('import', 'sent') and s.message_id = any(ids))
        or exists (select from training_samples s
          where s.account_id = ${accountId} and s.source in ('accept', 'edit') and s.message_id = before_id::uuid)
        as "isSample",
      exists (select from conversations c join conversation_policies p using (account_id, imessage_id)
          where c.id = conversation_id::uuid and p.never_train) as "neverTrain"
    from replies order by last_at desc, tail desc`;
}

/** The account's replies in conversations of one kind, latest first, some at a time, without a connection held between. */
export async function* sentReplies(
  database: Database,
  request: SentReplyRequest,
): AsyncGenerator<readonly SentReply[]> {
  const { before } = request;
  let place: Place | undefined = before && { lastAt: before.sentAt.toISOString(), lastId: before.id };
  do {
    const rows: PlacedRow[] = await repliesBefore(database, request, place);
    yield rows.map(replyOf);
    place = rows.length < CHUNK ? undefined : rows.at(-1);
  } while (place !== undefined);
}
