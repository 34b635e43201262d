/** The SQL of the message ingest: one statement a table, each able to run a thousand rows at once. */
import type { SQL } from "drizzle-orm";
import { parseTime } from "../../../contract/scalars.ts";
import {
  MESSAGE_LABELS,
  MESSAGE_TIMES,
  type Reaction,
  type SyncMessage,
  type SyncMessagesRequest,
} from "../../../contract/sync.ts";
import { messagesLockOf, newId } from "../database.ts";
import { fragment, rawFragment, type Sql } from "../sql.ts";
import { searchKeysOf } from "./search_keys.ts";

/** The device that sends a batch, and its account. */
export interface BatchOrigin {
  readonly accountId: string;
  readonly deviceId: string;
}

/** What the message statement reports; `moved` are messages that came from the conversations `sources`. */
export interface StoredMessages {
  readonly conversationId: string;
  readonly inserted: number;
  readonly updated: number;
  readonly moved: string[];
  readonly sources: string[];
}

/** How a stored value and the batch's become one: the new one, the old one where there is none, or the later one. */
const STORED = { new: "excluded.%", kept: "coalesce(excluded.%, m.%)", later: "greatest(excluded.%, m.%)" };

/** A time of a message in milliseconds since 1970. */
function millisecondsOf(time: string | null | undefined): number | undefined {
  return time ? parseTime(time) : undefined;
}

/** A reaction as it is answered: its time in UTC. */
function reactionOf({ reactedAt, ...reaction }: Reaction): Reaction {
  return reactedAt ? { ...reaction, reactedAt: new Date(parseTime(reactedAt)).toISOString() } : reaction;
}

/** Keys as text: PostgreSQL reads that twice as fast as a list of JSON. */
function searchKeyArray(text: string): string | null {
  const keys = searchKeysOf(text);
  return keys && `{${keys}}`;
}

/** A column that a message of a batch fills: its type in the batch's JSON, its value, what an update stores. */
interface MessageColumn {
  readonly name: string;
  readonly type: "text" | "jsonb" | "time" | "boolean" | "int4[]";
  readonly stored: keyof typeof STORED;
  readonly of: (message: SyncMessage) => unknown;
}

function columnOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const COLUMNS: readonly MessageColumn[] = [
  { name: "sender_id", type: "text", stored: "new", of: ({ senderId }) => senderId },
  { name: "direction", type: "text", stored: "new", of: ({ direction }) => direction },
  { name: "message_type", type: "text", stored: "new", of: ({ messageType }) => messageType },
  { name: "text", type: "text", stored: "new", of: ({ text }) => text },
  {
    name: "search_keys",
    type: "int4[]",
    stored: "new",
    of: ({ text }) => text ? searchKeyArray(text) : null,
  },
  { name: "sent_at", type: "time", stored: "new", of: ({ sentAt }) => millisecondsOf(sentAt) },
  ...MESSAGE_TIMES.map((field): MessageColumn => ({
    name: columnOf(field),
    type: "time",
    stored: field === "editedAt" ? "later" : "kept",
    of: (message) => millisecondsOf(message[field]),
  })),
  { name: "failed", type: "boolean", stored: "new", of: ({ failed }) => failed || undefined },
  ...MESSAGE_LABELS.map((field): MessageColumn => (
    { name: columnOf(field), type: "text", stored: "kept", of: (message) => message[field] }
  )),
  { name: "reactions", type: "jsonb", stored: "kept", of: ({ reactions }) => reactions?.map(reactionOf) },
  { name: "attachments", type: "jsonb", stored: "kept", of: ({ attachments }) => attachments },
];

/** Search keys follow from the text, and have no order. */
const COMPARED = COLUMNS.filter(({ name }) => name !== "search_keys");

function listOf(textOf: (column: MessageColumn) => string, columns = COLUMNS): string {
  return columns.map(textOf).join(", ");
}

function afterOf({ name, stored }: MessageColumn): string {
  return STORED[stored].replaceAll("%", name);
}

/** The lists of the message statement, each with every column in the same order. */
const NAMES = listOf(({ name }) => name);
const JSON_COLUMNS = listOf(({ name, type }) => `${name} ${type === "time" ? "float8" : type}`);
const SELECTED = listOf(({ name, type }) => {
  if (type === "time") return `to_timestamp(r.${name} / 1000)`;
  // The function of 0030 is asked only where there is something to keep.
  if (name === "reactions") {
    return "case when r.reactions is not null then kept_reactions(target.account_id, r.reactions) end";
  }
  return `r.${name}`;
});
const UPDATED = listOf(afterOf);
const BEFORE = listOf(({ name }) => `m.${name}`, COMPARED);
const AFTER = listOf(afterOf, COMPARED);

/** A message as the message statement reads it. */
function rowOf(message: SyncMessage): Record<string, unknown> {
  const row: Record<string, unknown> = { id: newId(), guid: message.imessageGuid };
  // A loop: entries and a spread take half as long again, for each of a thousand messages.
  for (const { name, of } of COLUMNS) row[name] = of(message);
  return row;
}

/** One row a guid, as JSON: a statement may touch a row only once, so the last of twins stands for all. */
function rowsOf(messages: readonly SyncMessage[]): string {
  const byGuid = new Map(messages.map((message) => [message.imessageGuid, message]));
  return JSON.stringify(Array.from(byGuid.values(), rowOf));
}

/** Batches of one account take turns: counts stay exact, and no two batches can wait for each other's rows. */
export function lockAccount(tx: Sql, accountId: string): Promise<unknown> {
  return tx`select pg_advisory_xact_lock(hashtextextended(${messagesLockOf(accountId)}, 0))`;
}

/** Makes sure that the batch's conversation exists. */
export function addConversation(
  tx: Sql,
  { accountId, batch }: { accountId: string; batch: SyncMessagesRequest },
): Promise<unknown> {
  return tx`
    insert into conversations (id, account_id, imessage_id, display_name, is_group, participant_ids)
    values (${newId()}, ${accountId}, ${batch.conversationImessageId}, ${
    batch.conversationDisplayName ?? null
  },
            ${batch.isGroup}, ${batch.participantIds})
    on conflict (account_id, imessage_id) do nothing`;
}

/**
 * Stores all messages of a batch. A row is written only where something differs, and never by an older copy: one that
 * does not know of an edit or an unsend that is stored. What the person deleted here does not come back.
 */
export async function storeMessages(
  tx: Sql,
  { accountId, batch }: { accountId: string; batch: SyncMessagesRequest },
): Promise<StoredMessages> {
  // In RETURNING, xmax is 0 for an inserted row, and a subquery still sees the row as it was before the statement.
  const [stored] = await tx<StoredMessages>`
    with target as materialized (
      select id, account_id from conversations
      where account_id = ${accountId} and imessage_id = ${batch.conversationImessageId}
    ), stored as (
      insert into messages as m (id, account_id, conversation_id, imessage_guid, ${rawFragment(NAMES)})
      select r.id, ${accountId}, target.id, r.guid, ${rawFragment(SELECTED)}
      from target, json_to_recordset(${rowsOf(batch.messages)}::text::json) as r(
        id uuid, guid text, ${rawFragment(JSON_COLUMNS)})
      where not exists (
          select from deleted_messages d where d.account_id = ${accountId} and d.imessage_guid = r.guid)
        and not exists (
          select from deleted_conversations d where d.account_id = ${accountId}
            and d.imessage_id = ${batch.conversationImessageId} and d.sent_until >= to_timestamp(r.sent_at / 1000))
        and not exists (
          select from deleted_people d where d.account_id = ${accountId}
            and d.address = lower(r.sender_id) and d.sent_until >= to_timestamp(r.sent_at / 1000))
      on conflict (account_id, imessage_guid) do update set
        (conversation_id, ${rawFragment(NAMES)}) = row(excluded.conversation_id, ${rawFragment(UPDATED)})
      where (m.retracted_at is null or excluded.retracted_at is not null)
        and (m.edited_at is null or excluded.edited_at >= m.edited_at or excluded.retracted_at is not null)
        and (m.conversation_id, ${rawFragment(BEFORE)}) is distinct from (excluded.conversation_id, ${
    rawFragment(AFTER)
  })
      returning m.id, m.xmax = 0 as inserted, case when m.xmax <> 0 then (
        select before.conversation_id from messages before
        where before.id = m.id and before.conversation_id <> m.conversation_id) end as source
    )
    select (select id from target) as "conversationId",
      count(*) filter (where inserted)::int as inserted,
      count(*) filter (where not inserted)::int as updated,
      coalesce(array_agg(id) filter (where source is not null), '{}') as moved,
      coalesce(array_agg(distinct source) filter (where source is not null), '{}') as sources
    from stored`;
  if (!stored) throw new Error("The message statement answered without a row");
  return stored;
}

/** A group's null says that it has no name by now; that of two people has none in Messages, so it says nothing. */
function nameAfter({ conversationDisplayName: name, isGroup }: SyncMessagesRequest): SQL {
  const saysIt = name !== undefined && (name !== null || isGroup);
  return saysIt ? fragment`${name}::text` : fragment`display_name`;
}

/** Brings what the batch says of its conversation, and what the messages make of it, up to date. */
export function refreshConversation(
  tx: Sql,
  { stored, batch }: { stored: StoredMessages; batch: SyncMessagesRequest },
): Promise<unknown> {
  const added = stored.inserted + stored.moved.length;
  return tx`
    update conversations c set
      display_name = n.display_name, is_group = n.is_group, participant_ids = n.participant_ids,
      message_count = n.message_count, last_message_at = n.last_message_at
    from (
      select ${nameAfter(batch)} as display_name,
        ${batch.isGroup}::boolean as is_group, ${batch.participantIds}::text[] as participant_ids,
        message_count + ${added}::int as message_count,
        (select max(sent_at) from messages where conversation_id = ${stored.conversationId}) as last_message_at
      from conversations where id = ${stored.conversationId}
    ) n
    where c.id = ${stored.conversationId}
      and (c.display_name, c.is_group, c.participant_ids, c.message_count, c.last_message_at)
        is distinct from (n.display_name, n.is_group, n.participant_ids, n.message_count, n.last_message_at)`;
}

/** Drops the conversation of a batch whose messages were all deleted before, so that it does not come back empty. */
export function dropEmptyConversation(tx: Sql, conversationId: string): Promise<unknown> {
  return tx`delete from conversations where id = ${conversationId} and message_count = 0`;
}

/** Moves what depends on moved messages along with them, and drops conversations that became empty. */
export async function followMovedMessages(
  tx: Sql,
  { conversationId, moved, sources }: StoredMessages,
): Promise<void> {
  await tx`update responses set conversation_id = ${conversationId} where message_id = any(${moved}::uuid[])`;
  await tx`update training_samples set conversation_id = ${conversationId} where message_id = any(${moved}::uuid[])`;
  await recountConversations(tx, sources);
}

/** Brings conversations up to date that messages have left, and drops those that none is left in. */
export async function recountConversations(tx: Sql, ids: readonly string[]): Promise<void> {
  await tx`
    update conversations c set
      message_count = (select count(*) from messages where conversation_id = c.id),
      last_message_at = (select max(sent_at) from messages where conversation_id = c.id)
    where c.id = any(${[...ids]}::uuid[])`;
  await tx`delete from conversations where id = any(${[...ids]}::uuid[]) and message_count = 0`;
}
