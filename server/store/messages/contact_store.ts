/** Stores contacts: one row for each handle of an account. */
import { createHash } from "node:crypto";
import { and, eq, inArray, or, type SQL, sql as drizzleSql, type SQLWrapper } from "drizzle-orm";
import type { SyncContact, SyncContactsResponse } from "../../../contract/sync.ts";
import { bindTo, type Database, newId } from "../database.ts";
import { type Page, type PageRequest, readNewest } from "../paging.ts";
import { type Contact, contacts } from "../schema.ts";

export interface ContactStore {
  /**
   * Adds or replaces contacts by identity (Apple id, else phone number, else e-mail, in any case of letters); the last
   * of twins wins. Contacts of deleted people are left out. The counts add up to the number of contacts.
   */
  upsert(accountId: string, incoming: readonly SyncContact[]): Promise<SyncContactsResponse>;
  /**
   * Deletes the contacts whose digest begins with one of these (see `SyncContactsRequest`); returns how many there were.
   */
  delete(accountId: string, digests: readonly string[]): Promise<number>;
  /** Contacts known by any of these handles, in any case of letters. */
  findByHandles(accountId: string, handles: readonly string[]): Promise<readonly Contact[]>;
  /** All contacts, newest first. */
  list(accountId: string, page: PageRequest): Promise<Page<Contact>>;
}

/** The handle a contact is known by. */
function identityOf(contact: SyncContact): string {
  return (contact.appleId ?? contact.phoneNumber ?? contact.email ?? "").toLowerCase();
}

/** One row an identity, as JSON, in the order of identities: two batches then never wait for each other. */
function rowsOf(incoming: readonly SyncContact[]): string {
  const byIdentity = new Map(incoming.map((contact) => [identityOf(contact), contact]));
  const rows = Array.from(byIdentity, ([identity, contact]) => ({ id: newId(), identity, ...contact }));
  return JSON.stringify(rows.sort((a, b) => a.identity < b.identity ? -1 : 1));
}

async function upsert(
  { sql }: Database,
  accountId: string,
  incoming: readonly SyncContact[],
): Promise<SyncContactsResponse> {
  const [counts] = await sql<{ inserted: number; updated: number }>`
    with stored as (
      insert into contacts as c (id, account_id, identity, apple_id, phone_number, email, display_name, avatar_hash,
        person_id)
      select r.id, ${accountId}, r.identity, r."appleId", r."phoneNumber", r.email, r."displayName", r."avatarHash",
        r."personId"
      from json_to_recordset(${rowsOf(incoming)}::text::json) as r(
        id uuid, identity text, "appleId" text, "phoneNumber" text, email text, "displayName" text, "avatarHash" text,
        "personId" text)
      where not exists (
        select from deleted_people d where d.account_id = ${accountId}
          and d.address in (lower(r."appleId"), lower(r."phoneNumber"), lower(r.email)))
      on conflict (account_id, identity) do update set
        apple_id = excluded.apple_id, phone_number = excluded.phone_number, email = excluded.email,
        display_name = excluded.display_name, avatar_hash = excluded.avatar_hash,
        person_id = excluded.person_id
      where (c.apple_id, c.phone_number, c.email, c.display_name, c.avatar_hash, c.person_id) is distinct from (
        excluded.apple_id, excluded.phone_number, excluded.email, excluded.display_name, excluded.avatar_hash,
        excluded.person_id)
      returning c.xmax = 0 as inserted
    )
    select count(*) filter (where inserted)::int as inserted, count(*) filter (where not inserted)::int as updated
    from stored`;
  const { inserted, updated } = counts ?? { inserted: 0, updated: 0 };
  return { inserted, updated, unchanged: incoming.length - inserted - updated };
}

function hasHandle(column: SQLWrapper, handles: readonly string[]): SQL {
  return drizzleSql`lower(${column}) = any(${drizzleSql.param(handles)}::text[])`;
}

async function findByHandles(
  { db }: Database,
  accountId: string,
  handles: readonly string[],
): Promise<readonly Contact[]> {
  if (handles.length === 0) return [];
  const lowered = handles.map((handle) => handle.toLowerCase());
  const known = or(
    hasHandle(contacts.appleId, lowered),
    hasHandle(contacts.phoneNumber, lowered),
    hasHandle(contacts.email, lowered),
  );
  return await db.select().from(contacts).where(and(eq(contacts.accountId, accountId), known));
}

function digestOf({ appleId, phoneNumber, email }: Contact): string {
  return createHash("sha256").update(JSON.stringify([appleId, phoneNumber, email])).digest("hex");
}

async function deleteContacts(
  { db }: Database,
  accountId: string,
  digests: readonly string[],
): Promise<number> {
  if (digests.length === 0) return 0;
  const wanted = new Set(digests);
  const lengths = [...new Set(digests.map(({ length }) => length))];
  const known = await db.select().from(contacts).where(eq(contacts.accountId, accountId));
  const gone = known.filter((contact) => {
    const digest = digestOf(contact);
    return lengths.some((length) => wanted.has(digest.slice(0, length)));
  });
  const ids = gone.map(({ id }) => id);
  if (ids.length > 0) {
    await db.delete(contacts).where(and(eq(contacts.accountId, accountId), inArray(contacts.id, ids)));
  }
  return ids.length;
}

function list(database: Database, accountId: string, page: PageRequest): Promise<Page<Contact>> {
  return readNewest(database, page, { table: contacts, where: eq(contacts.accountId, accountId) });
}

export function createContactStore(database: Database): ContactStore {
  return bindTo(database, { upsert, delete: deleteContacts, findByHandles, list });
}
