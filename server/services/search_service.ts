/** Searches the account's messages, and cuts a snippet out of each that matches. */
import {
  MAX_SEARCH_RESULTS,
  type SearchQuery,
  type SearchResult,
  type SearchResultList,
} from "../../contract/search.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { MessageSearch } from "../store/messages/message_search.ts";
import type { Message } from "../store/schema.ts";

/** UTF-16 units before the first match, and of a snippet unless the match itself is longer. */
const LEAD_LENGTH = 60;
const SNIPPET_LENGTH = 160;
const ELLIPSIS = "…";

export interface SearchService {
  /** Messages that have all words of the query, the best first. */
  find(caller: Caller, query: SearchQuery): Promise<SearchResultList>;
}

/** The place itself, or the one before where it would part a surrogate pair. */
function cutBefore(text: string, place: number): number {
  const parted = text.slice(place - 1, place + 1);
  return parted.length === 2 && (parted.codePointAt(0) ?? 0) > 0xffff ? place - 1 : place;
}

/** The part of a text around the first of these words. */
export function snippetOf(
  text: string,
  words: readonly string[],
): Pick<SearchResult, "snippet" | "match"> {
  const found = new RegExp(words.map((word) => RegExp.escape(word)).join("|"), "iu").exec(text);
  const [at, length] = [found?.index ?? 0, found?.[0].length ?? 0];
  const from = cutBefore(text, Math.max(0, at - LEAD_LENGTH));
  const until = cutBefore(text, Math.min(text.length, Math.max(from + SNIPPET_LENGTH, at + length)));
  const before = from > 0 ? ELLIPSIS : "";
  const snippet = before + text.slice(from, until) + (until < text.length ? ELLIPSIS : "");
  const start = at - from + before.length;
  return { snippet, match: found && { start, end: start + length } };
}

function resultOf(row: Message, words: readonly string[]): SearchResult {
  return {
    messageId: row.id,
    conversationId: row.conversationId,
    senderId: row.senderId,
    direction: row.direction,
    sentAt: row.sentAt.toISOString(),
    ...snippetOf(row.text ?? "", words),
  };
}

/** Makes the search service. */
export function createSearchService({ search }: { search: MessageSearch }): SearchService {
  return {
    async find({ accountId }, { q, page, pageSize, conversationId }) {
      const words = [...new Set(q.trim().split(/\s+/))];
      const request = { words, conversationId, limit: MAX_SEARCH_RESULTS, page, pageSize };
      const { rows, ...found } = await search.find(accountId, request);
      return { results: rows.map((row) => resultOf(row, words)), ...found, page, pageSize };
    },
  };
}
