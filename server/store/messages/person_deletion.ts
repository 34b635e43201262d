/** Deletes a person: all their addresses, conversations with them, and what they wrote and reacted with in groups. */
import type { Deletion } from "../../../contract/conversations.ts";
import { bindTo, type Database } from "../database.ts";
import type { Sql } from "../sql.ts";
import {
  deleteMessagesWithDrafts,
  deleteWholeConversation,
  type DeletionCounts,
  deletionOf,
  type DeletionOptions,
  newestDeleted,
} from "./deletion.ts";
import { lockAccount } from "./ingest_statements.ts";

export type DeletedPerson = DeletionOptions & {
  /** One of the person's addresses, in any case of letters. */
  readonly address: string;
};

export interface PersonDeletionStore {
  /**
   * Deletes a person with all addresses that their contact has. What they wrote until now is not stored again, nor is the
   * contact; the groups stay, and go on naming them. Undefined when nothing is known of the address.
   */
  delete(accountId: string, person: DeletedPerson): Promise<Deletion | undefined>;
}

interface Person {
  readonly accountId: string;
  /** In lower case. */
  readonly addresses: readonly string[];
}

/** The address and those of the same contact, or of the contacts that are one person with it. */
async function addressesOf(tx: Sql, accountId: string, address: string): Promise<string[]> {
  const rows = await tx<{ address: string }>`
    with known as (
      select c.id, c.person_id, lower(a.address) as address
      from contacts c cross join lateral (values (c.apple_id), (c.phone_number), (c.email)) as a(address)
      where c.account_id = ${accountId} and a.address is not null
    ), found as (select id, person_id from known where address = lower(${address}))
    select lower(${address}) as address
    union select address from known
      where id in (select id from found) or person_id in (select person_id from found)`;
  return rows.map((row) => row.address);
}

async function deleteConversations(tx: Sql, { accountId, addresses }: Person): Promise<DeletionCounts[]> {
  const rows = await tx<{ id: string }>`
    select id from conversations
    where account_id = ${accountId} and not is_group and participant_ids <> '{}'
      and lower(participant_ids::text)::text[] <@ ${[...addresses]}::text[]`;
  const done: DeletionCounts[] = [];
  for (const { id: conversationId } of rows) {
    const counts = await deleteWholeConversation(tx, { accountId, conversationId });
    if (counts !== undefined) done.push(counts);
  }
  return done;
}

async function deleteMessages(tx: Sql, { accountId, addresses }: Person): Promise<DeletionCounts> {
  const rows = await tx<{ id: string }>`
    select id from messages
    where account_id = ${accountId} and lower(sender_id) = any(${[...addresses]}::text[])`;
  const messageIds = rows.map(({ id }) => id);
  await tx`
    insert into deleted_messages (account_id, imessage_guid)
    select account_id, imessage_guid from messages where id = any(${messageIds}::uuid[])
    on conflict do nothing`;
  return await deleteMessagesWithDrafts(tx, { accountId, messageIds });
}

async function deletePersonIn(
  tx: Sql,
  { accountId, address }: { accountId: string; address: string },
): Promise<DeletionCounts | undefined> {
  await lockAccount(tx, accountId);
  const person = { accountId, addresses: await addressesOf(tx, accountId, address) };
  const addresses = [...person.addresses];
  await tx`
    insert into deleted_people as d (account_id, address, sent_until)
    select ${accountId}, address, ${newestDeleted} from unnest(${addresses}::text[]) as address
    on conflict (account_id, address) do update set sent_until = greatest(d.sent_until, excluded.sent_until)`;
  const conversations = await deleteConversations(tx, person);
  const parts = [...conversations, await deleteMessages(tx, person)];
  const reactions = await tx`
    update messages set reactions = kept_reactions(account_id, reactions)
    where account_id = ${accountId} and reactions <> kept_reactions(account_id, reactions)`;
  const contacts = await tx`
    delete from contacts where account_id = ${accountId} and (
      lower(apple_id) = any(${addresses}::text[]) or lower(phone_number) = any(${addresses}::text[])
      or lower(email) = any(${addresses}::text[]))`;
  const sum = (count: keyof DeletionCounts) => parts.reduce((total, part) => total + (part[count] ?? 0), 0);
  const messages = sum("messages");
  if (messages + contacts.count + conversations.length + reactions.count === 0) return undefined;
  return {
    messages,
    responses: sum("responses"),
    samples: sum("samples"),
    conversations: conversations.length,
    contacts: contacts.count,
  };
}

function deletePerson(
  database: Database,
  accountId: string,
  { address, ...options }: DeletedPerson,
): Promise<Deletion | undefined> {
  return deletionOf(
    database,
    { accountId, ...options },
    (tx) => deletePersonIn(tx, { accountId, address }),
  );
}

export function createPersonDeletion(database: Database): PersonDeletionStore {
  return bindTo(database, { delete: deletePerson });
}
