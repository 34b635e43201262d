/** Searches the messages of an account. */
import { and, desc, eq, isNull, ne, type SQL, sql as drizzleSql } from "drizzle-orm";
import { bindTo, type Database } from "../database.ts";
import { newestFirst, type Page, type PageRequest } from "../paging.ts";
import { type Message, messages } from "../schema.ts";

/** What to look for: messages that have all of these words, each somewhere, in upper or lower case. */
export interface SearchRequest extends PageRequest {
  readonly words: readonly string[];
  /** All conversations, unless given. */
  readonly conversationId?: string;
  /** Only so many of the newest that match are ranked; there are no others. */
  readonly limit: number;
}

export interface MessageSearch {
  /** The best first, the newest first of equal ones; `total` is at most the request's `limit`. */
  find(accountId: string, request: SearchRequest): Promise<Omit<Page<Message>, "next">>;
}

/** How much of a text is compared with the words for its rank: the comparison of a very long one takes long. */
const RANKED_CHARACTERS = 1000;

/** The function of the database is the expression of the index `messages_search`. */
function has(word: string): SQL {
  const pattern = `%${word.replaceAll(/[\\%_]/g, "\\$&")}%`;
  return drizzleSql`search_text(${messages.text}) like search_text(${pattern})`;
}

/** The ids of all messages that match, ranked. The statement is not prepared: its plan depends on the words. */
async function matches(
  { db }: Database,
  accountId: string,
  { words, conversationId, limit }: SearchRequest,
): Promise<string[]> {
  const { id, sentAt, text } = messages;
  const found = db.select({ id, sentAt, text }).from(messages)
    .where(and(
      eq(messages.accountId, accountId),
      conversationId === undefined ? undefined : eq(messages.conversationId, conversationId),
      ne(text, drizzleSql`''`),
      isNull(messages.retractedAt),
      ...words.map(has),
    ))
    .orderBy(...newestFirst({ time: sentAt, id })).limit(limit).as("found");
  const rank = drizzleSql`strict_word_similarity(
    search_text(${words.join(" ")}), search_text(left(${found.text}, ${RANKED_CHARACTERS})))`;
  const rows = await db.select({ id: found.id }).from(found)
    .orderBy(desc(rank), ...newestFirst({ time: found.sentAt, id: found.id }));
  return rows.map((row) => row.id);
}

async function find(
  database: Database,
  accountId: string,
  request: SearchRequest,
): Promise<Omit<Page<Message>, "next">> {
  const ids = await matches(database, accountId, request);
  const offset = (request.page - 1) * request.pageSize;
  const shown = ids.slice(offset, offset + request.pageSize);
  const rows = await database.db.select().from(messages)
    .where(and(
      eq(messages.accountId, accountId),
      drizzleSql`${messages.id} = any(${drizzleSql.param(shown)}::uuid[])`,
    ));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return { rows: shown.flatMap((id) => byId.get(id) ?? []), total: ids.length };
}

export function createMessageSearch(database: Database): MessageSearch {
  return bindTo(database, { find });
}
