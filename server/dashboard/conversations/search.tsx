/** Finding messages by their words, in the place of the list of conversations. */
import { useState } from "preact/hooks";
import type { Conversation } from "../../../contract/conversations.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { MAX_SEARCH_LENGTH, type SearchResult, searchResultListSchema } from "../../../contract/search.ts";
import { conversationAddress, openMessageId } from "../address.ts";
import { request } from "../client/api.ts";
import { nameOf, titleOf } from "../names.ts";
import { PagedList } from "../client/pages.ts";
import { ListEnd, Part } from "../scrolling.tsx";
import { STRINGS } from "../strings.ts";
import { shortTimeOf } from "../times.ts";

const { search: TEXT } = STRINGS;
const PAGE_SIZE = 50;

function findMessages(
  words: string,
  { onSearchedNewest }: { onSearchedNewest: (messages: number) => void },
): PagedList<SearchResult> {
  return new PagedList(async (cursor) => {
    const page = Number(cursor ?? 1);
    const query = new URLSearchParams({ q: words, page: `${page}`, pageSize: `${PAGE_SIZE}` });
    const { results, total, searchedNewest } = await request(`GET ${SERVER_PATHS.search}?${query}`, {
      schema: searchResultListSchema,
    });
    if (searchedNewest !== undefined) onSearchedNewest(searchedNewest);
    return { items: results, nextCursor: page * PAGE_SIZE < total ? `${page + 1}` : null };
  });
}

function Snippet({ snippet, match }: Pick<SearchResult, "snippet" | "match">) {
  if (match === null) return <bdi class="quiet snippet">{snippet}</bdi>;
  const { start, end } = match;
  return (
    <bdi class="quiet snippet">
      {snippet.slice(0, start)}
      <mark>{snippet.slice(start, end)}</mark>
      {snippet.slice(end)}
    </bdi>
  );
}

function Row({ result, conversation }: { result: SearchResult; conversation: Conversation | undefined }) {
  const { conversationId, messageId, senderId, direction, sentAt } = result;
  const sender = direction === "outgoing" ? TEXT.you : nameOf(senderId ?? STRINGS.conversations.unknown);
  return (
    <li>
      <a
        href={conversationAddress(conversationId, messageId)}
        aria-current={openMessageId.value === messageId ? "page" : undefined}
      >
        <bdi class="name">{conversation === undefined ? sender : titleOf(conversation)}</bdi>
        <time dateTime={sentAt}>{shortTimeOf(sentAt)}</time>
        <Snippet {...result} />
      </a>
    </li>
  );
}

/** The messages that have all of some words, the best first. */
export function SearchResults({ words, known }: { words: string; known: readonly Conversation[] }) {
  const [newest, setNewest] = useState<number>();
  const [list] = useState(() => findMessages(words, { onSearchedNewest: setNewest }));
  const state = list.state.value;
  const isEmpty = state.isComplete && state.pages.every((page) => page.length === 0);
  const conversationOf = (id: string) => known.find((conversation) => conversation.id === id);
  return (
    <>
      {isEmpty && <p class="empty quiet" role="status">{TEXT.none}</p>}
      {newest !== undefined && <p class="empty quiet" role="status">{TEXT.searchedNewest(newest)}</p>}
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => (
            <ul aria-label={TEXT.results}>
              {page.map((one) => (
                <Row key={one.messageId} result={one} conversation={conversationOf(one.conversationId)} />
              ))}
            </ul>
          )}
        </Part>
      ))}
      <ListEnd state={state} more={() => void list.more()} />
    </>
  );
}

/** Takes words; `onWords` gets them once they are sent, and none once they are cleared. */
export function SearchBox({ onWords }: { onWords: (words: string) => void }) {
  const [text, setText] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    onWords(text.trim());
  };
  const change = (text: string) => {
    setText(text);
    if (text.trim() === "") onWords("");
  };
  return (
    <form class="search" role="search" onSubmit={submit}>
      <input
        type="search"
        maxLength={MAX_SEARCH_LENGTH}
        aria-label={TEXT.label}
        placeholder={TEXT.hint}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
      />
      <button type="submit">{TEXT.button}</button>
    </form>
  );
}
