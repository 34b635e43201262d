/** Searches the messages of an account. */
import { desc, type SQL, sql } from "drizzle-orm";
import type { Database, Queries } from "../database.ts";
import { newestFirst, type Page, type PageRequest } from "../paging.ts";
import { type Message, messages } from "../schema.ts";
import { searchKeysOf } from "./search_keys.ts";

/** What to look for: messages that have all of these words, each somewhere, in upper or lower case. */
export interface SearchRequest extends PageRequest {
  readonly words: readonly string[];
  /** All conversations, unless given. */
  readonly conversationId?: string;
  /** Only so many of the newest that match are ranked; there are no others. */
  readonly limit: number;
}

export interface SearchPage extends Omit<Page<Message>, "next"> {
  /** Set when not all messages were looked through, but so many of the newest. */
  readonly searchedNewest?: number;
}

export interface MessageSearch {
  /** The best first, the newest first of equal ones; `total` is at most the request's `limit`. */
  find(accountId: string, request: SearchRequest): Promise<SearchPage>;
}

/** In numbers of messages, what bounds the time of a search. */
export interface SearchBounds {
  /** So many of the newest are looked through first. */
  readonly recent: number;
  /** Words that so many of those have are in too many messages for the index: what is older is looked through too. */
  readonly frequent: number;
  /** The index may name so many that have the characters of the words, though perhaps not the words. */
  readonly candidates: number;
  /** So many of the newest are looked through at most. */
  readonly newest: number;
}

/** Looking through takes about a microsecond a message, fetching what the index names several. */
const BOUNDS: SearchBounds = { recent: 2_000, frequent: 40, candidates: 50_000, newest: 100_000 };

/** How much of a text is compared with the words for its rank: the comparison of a very long one takes long. */
const RANKED_CHARACTERS = 1000;

/** What a search goes through, apart from its words. */
interface Scope {
  readonly db: Queries;
  readonly isSearched: SQL;
  readonly hasWords: SQL;
  readonly limit: number;
}

function scopeOf({ db }: Database, accountId: string, request: SearchRequest): Scope {
  const { words, conversationId, limit } = request;
  const inConversation = conversationId === undefined
    ? sql``
    : sql`and conversation_id = ${conversationId}::uuid`;
  const has = words.map((word) => sql`strpos(lower(text), lower(${word}::text)) > 0`);
  return {
    db,
    isSearched:
      sql`account_id = ${accountId}::uuid ${inConversation} and text <> '' and retracted_at is null`,
    hasWords: sql.join(has, sql` and `),
    limit,
  };
}

/** Of so many of the newest messages those that match; `isAll` when there are no older ones. */
async function lookThrough(
  { db, isSearched, hasWords, limit }: Scope,
  newest: number,
): Promise<{ ids: string[]; isAll: boolean }> {
  const { rows: [found] } = await db.execute<{ ids: string[]; isAll: boolean }>(sql`
    select array(
        select id from (
          select id, sent_at, text from messages where ${isSearched} order by sent_at desc, id desc limit ${newest}
        ) as newest
        where ${hasWords} order by sent_at desc, id desc limit ${limit}
      ) as ids,
      not exists (
        select from messages where ${isSearched} order by sent_at desc, id desc offset ${newest} limit 1
      ) as "isAll"`);
  if (!found) throw new Error("The search answered without a row");
  return found;
}

/** Of all messages those that match; undefined when so many have the keys that not all were looked at. */
async function lookUp(
  { db, isSearched, hasWords, limit }: Scope,
  { keys, candidates }: { keys: number[]; candidates: number },
): Promise<string[] | undefined> {
  const { rows: [found] } = await db.execute<{ ids: string[]; count: number }>(sql`
    with candidates as materialized (
      select id, sent_at, text from messages
      where ${isSearched} and search_keys @> ${sql.param(keys)}::int[] limit ${candidates + 1}
    )
    select array(
        select id from candidates where ${hasWords} order by sent_at desc, id desc limit ${limit}
      ) as ids,
      (select count(*)::int from candidates) as count`);
  return found && found.count <= candidates ? found.ids : undefined;
}

/** The ids of what matches, and of how many of the newest when that is not of all. */
async function matches(
  scope: Scope,
  words: readonly string[],
  bounds: SearchBounds,
): Promise<{ ids: string[]; searchedNewest?: number }> {
  const recent = await lookThrough(scope, bounds.recent);
  if (recent.isAll || recent.ids.length === scope.limit) return { ids: recent.ids };
  const keys = words.flatMap((word) => searchKeysOf(word) ?? []);
  if (keys.length > 0 && recent.ids.length < bounds.frequent) {
    const ids = await lookUp(scope, { keys, candidates: bounds.candidates });
    if (ids) return { ids };
  }
  const { ids, isAll } = await lookThrough(scope, bounds.newest);
  return isAll || ids.length === scope.limit ? { ids } : { ids, searchedNewest: bounds.newest };
}

async function ranked({ db }: Database, ids: string[], words: readonly string[]): Promise<string[]> {
  const rank = sql`strict_word_similarity(
    search_text(${words.join(" ")}), search_text(left(${messages.text}, ${RANKED_CHARACTERS})))`;
  const rows = await db.select({ id: messages.id }).from(messages)
    .where(sql`${messages.id} = any(${sql.param(ids)}::uuid[])`)
    .orderBy(desc(rank), ...newestFirst({ time: messages.sentAt, id: messages.id }));
  return rows.map(({ id }) => id);
}

async function find(
  database: Database,
  { accountId, request, bounds }: { accountId: string; request: SearchRequest; bounds: SearchBounds },
): Promise<SearchPage> {
  const { words, page, pageSize } = request;
  const { ids, searchedNewest } = await matches(scopeOf(database, accountId, request), words, bounds);
  const offset = (page - 1) * pageSize;
  const shown = (await ranked(database, ids, words)).slice(offset, offset + pageSize);
  const rows = await database.db.select().from(messages)
    .where(sql`${messages.accountId} = ${accountId} and ${messages.id} = any(${sql.param(shown)}::uuid[])`);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return {
    rows: shown.flatMap((id) => byId.get(id) ?? []),
    total: ids.length,
    ...searchedNewest !== undefined && { searchedNewest },
  };
}

export function createMessageSearch(database: Database, bounds = BOUNDS): MessageSearch {
  return { find: (accountId, request) => find(database, { accountId, request, bounds }) };
}
