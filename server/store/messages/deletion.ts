/**
 * Deletes messages, conversations and samples for good, with everything that was made from them.
 *
 * Adapters that learned from a deleted sample are tainted by the database itself, in the trigger
 * `training_samples_taint` (migrations/0003_adapters.sql, its function replaced in 0005_stop_training.sql). However a
 * sample is deleted, also by the cascade of its message or account, the trigger marks those adapters `tainted`, stops
 * the live jobs that learn from it, and adds `taint_adapter` and `cancel_training` messages to `ml_outbox`.
 */
import type { Deletion } from "../../../contract/conversations.ts";
import { adaptersLockOf } from "../training/adapter_promotion.ts";
import { bindTo, type Database } from "../database.ts";
import { fragment, type Sql } from "../sql.ts";
import { lockAccount, recountConversations } from "./ingest_statements.ts";

export interface DeletionOptions {
  /** Nothing stays deleted: the deletion is done and rolled back, so its counts are those of a real one. */
  readonly dryRun?: boolean;
}

/** What is to be deleted, by its id. */
export type DeletedThing = DeletionOptions & { readonly id: string };

/** Deletions that a person asks for. Each is undefined when the account has nothing of that id. */
export interface DeletionStore {
  /** A message, and every draft and sample whose prompt has it. It is not stored again when a device sends it again. */
  message(accountId: string, message: DeletedThing): Promise<Deletion | undefined>;
  /** A complete conversation. Of its messages, only new ones will be stored again. */
  conversation(accountId: string, conversation: DeletedThing): Promise<Deletion | undefined>;
}

/**
 * Messages of a deleted conversation that are older than this are not stored later either. Not all up to now:
 * the clock of the Mac that sends new ones may be behind.
 */
const CLOCK_SKEW_SECONDS = 3_600;
export const newestDeleted = fragment`now() - make_interval(secs => ${CLOCK_SKEW_SECONDS})`;
/** A conversation may have a million messages. */
const LIMIT = { timeoutMs: 300_000 };

/** How the keys of an account's cached drafts in ml begin. */
export function draftCachePrefix(accountId: string): string {
  return `draft:${accountId}:`;
}

/** Taken before any sample is locked, so that two deletions cannot wait for each other's rows in the trigger. */
export function lockAdapters(tx: Sql, accountId: string): Promise<unknown> {
  return tx`select pg_advisory_xact_lock(hashtextextended(${adaptersLockOf(accountId)}, 0))`;
}

/** What a deletion deletes by itself; the adapters it taints are the trigger's. */
export type DeletionCounts = Omit<Deletion, "taintedAdapterIds">;

async function untainted(tx: Sql, accountId: string): Promise<string[]> {
  const rows = await tx<{ id: string }>`
    select id from adapters where account_id = ${accountId} and state <> 'tainted'`;
  return rows.map(({ id }) => id);
}

/** Thrown to roll back what was only tried, or found nothing to delete. */
const UNDONE = new Error("The deletion was rolled back");

/** Runs a deletion in a transaction, and adds which adapters the trigger `training_samples_taint` tainted meanwhile. */
export async function deletionOf(
  { transaction }: Database,
  { accountId, dryRun = false }: DeletionOptions & { accountId: string },
  work: (tx: Sql) => Promise<DeletionCounts | undefined>,
): Promise<Deletion | undefined> {
  let done: Deletion | undefined;
  try {
    await transaction(async ({ sql: tx }) => {
      const before = await untainted(tx, accountId);
      const counts = await work(tx);
      const after = new Set(await untainted(tx, accountId));
      done = counts && { ...counts, taintedAdapterIds: before.filter((id) => !after.has(id)) };
      if (dryRun || done === undefined) throw UNDONE;
    }, LIMIT);
  } catch (error) {
    if (error !== UNDONE) throw error;
  }
  return done;
}

/** Which messages to delete: some, or all of a conversation. */
type Scope =
  & { readonly accountId: string }
  & (
    | { readonly messageIds: readonly string[] }
    | { readonly conversationId: string }
  );

/**
 * Deletes messages and what was made from them, set by set; needs {@linkcode lockAccount}, with which a draft or
 * sample that is being made of them is there by then, or will not be.
 */
export async function deleteMessagesWithDrafts(
  tx: Sql,
  scope: Scope,
): Promise<DeletionCounts> {
  const { accountId } = scope;
  const [which, made] = "conversationId" in scope
    ? [
      fragment`conversation_id = ${scope.conversationId}`,
      // A prompt may have messages of its person's other conversation.
      fragment`(conversation_id = ${scope.conversationId} or exists (
        select from messages m where m.conversation_id = ${scope.conversationId} and m.id = any(source_message_ids)))`,
    ]
    : [
      fragment`id = any(${[...scope.messageIds]}::uuid[])`,
      fragment`(message_id = any(${[...scope.messageIds]}::uuid[])
        or source_message_ids && ${[...scope.messageIds]}::uuid[])`,
    ];
  await lockAdapters(tx, accountId);
  const samples = await tx`delete from training_samples where account_id = ${accountId} and ${made}`;
  const responses = await tx`delete from responses where account_id = ${accountId} and ${made}`;
  const messages = await tx<{ conversationId: string }>`
    delete from messages where account_id = ${accountId} and ${which}
    returning conversation_id as "conversationId"`;
  await recountConversations(tx, [...new Set(messages.map(({ conversationId }) => conversationId))]);
  await tx`insert into ml_outbox (kind, target) values ('clear_cache', ${draftCachePrefix(accountId) + "*"})`;
  return { messages: messages.count, responses: responses.count, samples: samples.count };
}

function deleteMessage(
  database: Database,
  accountId: string,
  { id, ...options }: DeletedThing,
): Promise<Deletion | undefined> {
  return deletionOf(database, { accountId, ...options }, async (tx) => {
    await lockAccount(tx, accountId);
    const found = await tx`
      insert into deleted_messages (account_id, imessage_guid)
      select account_id, imessage_guid from messages where account_id = ${accountId} and id = ${id}
      on conflict do nothing`;
    if (found.count === 0) return undefined;
    return await deleteMessagesWithDrafts(tx, { accountId, messageIds: [id] });
  });
}

/** Deletes a conversation, so that of its messages only new ones are stored again; undefined when there is none. */
export async function deleteWholeConversation(
  tx: Sql,
  { accountId, conversationId }: { accountId: string; conversationId: string },
): Promise<DeletionCounts | undefined> {
  const found = await tx`
    insert into deleted_conversations as d (account_id, imessage_id, sent_until)
    select account_id, imessage_id, greatest(last_message_at, ${newestDeleted})
    from conversations where account_id = ${accountId} and id = ${conversationId}
    on conflict (account_id, imessage_id) do update set sent_until = greatest(d.sent_until, excluded.sent_until)`;
  if (found.count === 0) return undefined;
  await tx`
    insert into deleted_messages (account_id, imessage_guid)
    select account_id, imessage_guid from messages
    where account_id = ${accountId} and conversation_id = ${conversationId}
    on conflict do nothing`;
  const counts = await deleteMessagesWithDrafts(tx, { accountId, conversationId });
  await tx`delete from conversations where account_id = ${accountId} and id = ${conversationId}`;
  return counts;
}

function deleteConversation(
  database: Database,
  accountId: string,
  { id: conversationId, ...options }: DeletedThing,
): Promise<Deletion | undefined> {
  return deletionOf(database, { accountId, ...options }, async (tx) => {
    await lockAccount(tx, accountId);
    return await deleteWholeConversation(tx, { accountId, conversationId });
  });
}

/** Deletes a sample alone; undefined when the account has no such sample. */
export function deleteSample(
  database: Database,
  accountId: string,
  { id, ...options }: DeletedThing,
): Promise<Deletion | undefined> {
  return deletionOf(database, { accountId, ...options }, async (tx) => {
    await lockAdapters(tx, accountId);
    const gone = await tx`delete from training_samples where account_id = ${accountId} and id = ${id}`;
    return gone.count === 0 ? undefined : { messages: 0, responses: 0, samples: gone.count };
  });
}

/** Makes the store of deletions. */
export function createDeletionStore(database: Database): DeletionStore {
  return bindTo(database, { message: deleteMessage, conversation: deleteConversation });
}
