/** Stores how each conversation is drafted for and whether anything is learned from it. */
import { and, eq, type SQL, sql as drizzleSql } from "drizzle-orm";
import { DEFAULT_DRAFTING, type Deletion, type DraftingMode } from "../../../contract/conversations.ts";
import { bindTo, type Database } from "../database.ts";
import { conversationPolicies, conversations, messages } from "../schema.ts";
import { fragment, rawFragment, type Sql } from "../sql.ts";
import { deletionOf, type DeletionOptions, lockAdapters } from "./deletion.ts";
import { lockAccount } from "./ingest_statements.ts";

export interface ConversationPolicy {
  readonly drafting: DraftingMode;
  readonly neverTrain: boolean;
}

export type PolicyChange = Partial<ConversationPolicy> & { readonly conversationId: string };

export interface PolicyStore {
  /** The policies of those of these conversations for which one was chosen, by their ids. */
  find(
    accountId: string,
    conversationIds: readonly string[],
  ): Promise<ReadonlyMap<string, ConversationPolicy>>;
  /** How the conversation of a message is drafted for. */
  draftingOf(accountId: string, messageId: string): Promise<DraftingMode>;
  /**
   * Changes a policy. Where nothing is to be learned any more, the samples go as they do when they are deleted: adapters
   * that learned from them are tainted, and jobs that do are stopped. Undefined when there is no such conversation.
   */
  change(accountId: string, change: PolicyChange & DeletionOptions): Promise<Deletion | undefined>;
}

/** For a conversation without a policy. */
export const DEFAULT_POLICY: ConversationPolicy = { drafting: DEFAULT_DRAFTING, neverTrain: false };

/** True for messages of which one is in a conversation that nothing is learned from. @param ids an expression of `uuid[]` */
export function isNeverTrained(accountId: string, ids: SQL): SQL {
  return fragment`exists (
    select from messages used
    join conversations talk on talk.id = used.conversation_id
    join conversation_policies policy
      on policy.account_id = talk.account_id and policy.imessage_id = talk.imessage_id and policy.never_train
    where used.account_id = ${accountId} and used.id = any(${ids}))`;
}

/** Deletes the account's samples that nothing may be learned from by now; needs {@linkcode lockAccount}. */
export async function deleteNeverTrained(tx: Sql, accountId: string): Promise<number> {
  const some = await tx`
    select from conversation_policies where account_id = ${accountId} and never_train limit 1`;
  if (some.count === 0) return 0;
  await lockAdapters(tx, accountId);
  const sources = rawFragment("array_append(s.source_message_ids, s.message_id)");
  const gone = await tx`
    delete from training_samples s where s.account_id = ${accountId} and ${
    isNeverTrained(accountId, sources)
  }`;
  return gone.count;
}

const samePlace = and(
  eq(conversationPolicies.accountId, conversations.accountId),
  eq(conversationPolicies.imessageId, conversations.imessageId),
);

async function find(
  { db }: Database,
  accountId: string,
  conversationIds: readonly string[],
): Promise<Map<string, ConversationPolicy>> {
  const { drafting, neverTrain } = conversationPolicies;
  const rows = await db.select({ id: conversations.id, drafting, neverTrain }).from(conversations)
    .innerJoin(conversationPolicies, samePlace)
    .where(and(
      eq(conversations.accountId, accountId),
      drizzleSql`${conversations.id} = any(${drizzleSql.param(conversationIds)}::uuid[])`,
    ));
  return new Map(rows.map(({ id, ...policy }) => [id, policy]));
}

async function draftingOf({ db }: Database, accountId: string, messageId: string): Promise<DraftingMode> {
  const [row] = await db.select({ drafting: conversationPolicies.drafting }).from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .innerJoin(conversationPolicies, samePlace)
    .where(and(eq(messages.accountId, accountId), eq(messages.id, messageId)));
  return row?.drafting ?? DEFAULT_DRAFTING;
}

function change(
  database: Database,
  accountId: string,
  { conversationId, drafting, neverTrain, dryRun }: PolicyChange & DeletionOptions,
): Promise<Deletion | undefined> {
  return deletionOf(database, { accountId, dryRun }, async (tx) => {
    await lockAccount(tx, accountId);
    const found = await tx`
      insert into conversation_policies as p (account_id, imessage_id, drafting, never_train)
      select account_id, imessage_id, ${drafting ?? DEFAULT_DRAFTING}, ${neverTrain ?? false}
      from conversations where account_id = ${accountId} and id = ${conversationId}
      on conflict (account_id, imessage_id) do update set
        drafting = coalesce(${drafting ?? null}, p.drafting),
        never_train = coalesce(${neverTrain ?? null}, p.never_train)`;
    if (found.count === 0) return undefined;
    return { messages: 0, responses: 0, samples: neverTrain ? await deleteNeverTrained(tx, accountId) : 0 };
  });
}

/** Conversations of a policy. */
export function hasPolicy({ drafting, neverTrain }: Partial<ConversationPolicy>): SQL | undefined {
  const chosen = drizzleSql`select from ${conversationPolicies} where ${samePlace}`;
  const isSo = (condition: SQL, isDefault: boolean) =>
    isDefault
      ? drizzleSql`not exists (${chosen} and not ${condition})`
      : drizzleSql`exists (${chosen} and ${condition})`;
  return and(
    drafting && isSo(eq(conversationPolicies.drafting, drafting), drafting === DEFAULT_DRAFTING),
    neverTrain === undefined ? undefined : isSo(eq(conversationPolicies.neverTrain, neverTrain), !neverTrain),
  );
}

export function createPolicyStore(database: Database): PolicyStore {
  return bindTo(database, { find, draftingOf, change });
}
