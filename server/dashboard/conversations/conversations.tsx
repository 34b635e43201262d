/** The page of conversations: the list, and beside it the one that is open. */
import { useEffect, useRef, useState } from "preact/hooks";
import {
  type Conversation,
  conversationListSchema,
  conversationResponseSchema,
} from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import {
  conversationAddress,
  LIST_ADDRESS,
  openConversationId,
  openMessageId,
  WELCOME_ADDRESS,
} from "../address.ts";
import { request, RequestError, sentenceOf } from "../client/api.ts";
import { FIRST_CONVERSATIONS } from "../client/early.ts";
import { useEvents } from "../client/events.ts";
import { useRefresh } from "../client/loading.ts";
import { loadNames, titleOf } from "../names.ts";
import { type KeyOf, PagedList, type PagedState } from "../client/pages.ts";
import { ListEnd, Part } from "../scrolling.tsx";
import { SearchBox, SearchResults } from "./search.tsx";
import { STRINGS } from "../strings.ts";
import { Thread } from "./thread.tsx";
import { shortTimeOf } from "../times.ts";

const { conversations: TEXT } = STRINGS;
/** Characters of the newest message; more would not fit into a line. */
const PREVIEW_LENGTH = 120;

/** Conversations, the latest first; `filter` is added to the query. */
export function listConversations(filter = ""): PagedList<Conversation> {
  return new PagedList(async (cursor) => {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const list = await request(`GET ${FIRST_CONVERSATIONS}${after}${filter}`, {
      schema: conversationListSchema,
    });
    return { items: list.conversations, nextCursor: list.nextCursor ?? null };
  });
}

/** The newest words, else how many messages there are. */
function previewOf({ lastMessage, messageCount }: Conversation): string {
  const text = lastMessage?.text?.trim() ?? "";
  if (text === "") return TEXT.messages(messageCount);
  return lastMessage?.direction === "outgoing" ? TEXT.own(text) : text;
}

function Row({ conversation }: { conversation: Conversation }) {
  const { id, lastMessageAt, waiting } = conversation;
  return (
    <li>
      <a href={conversationAddress(id)} aria-current={openConversationId.value === id ? "page" : undefined}>
        <bdi class="name">{titleOf(conversation)}</bdi>
        {lastMessageAt !== null && <time dateTime={lastMessageAt}>{shortTimeOf(lastMessageAt)}</time>}
        <bdi class="quiet preview">{previewOf(conversation).slice(0, PREVIEW_LENGTH)}</bdi>
        {waiting && <span class="waiting" role="img" aria-label={TEXT.waiting} title={TEXT.waiting} />}
      </a>
    </li>
  );
}

function AllConversations({ state, more }: { state: PagedState<Conversation>; more: () => void }) {
  const isEmpty = state.isComplete && state.pages.every((page) => page.length === 0);
  return (
    <>
      {isEmpty && (
        <div class="empty">
          <h2>{TEXT.none}</h2>
          <p>{TEXT.noneHint}</p>
          <p>
            <a class="primary" href={WELCOME_ADDRESS}>{TEXT.setUp}</a>
          </p>
        </div>
      )}
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => <ul>{page.map((one) => <Row key={one.id} conversation={one} />)}</ul>}
        </Part>
      ))}
      <ListEnd state={state} more={more} />
    </>
  );
}

function ConversationList({ list }: { list: PagedList<Conversation> }) {
  const [words, setWords] = useState("");
  const state = list.state.value;
  return (
    <nav class="list scroll" aria-label={TEXT.title}>
      <SearchBox onWords={setWords} />
      {words === ""
        ? <AllConversations state={state} more={() => void list.more()} />
        : <SearchResults key={words} words={words} known={state.pages.flat()} />}
    </nav>
  );
}

function readConversation(id: string): Promise<Conversation> {
  return request(`GET ${pathOf(SERVER_PATHS.conversation, { id })}`, { schema: conversationResponseSchema })
    .then(({ conversation }) => conversation);
}

function isGone(error: unknown): boolean {
  return error instanceof RequestError && error.code === "not_found";
}

const keyOf: KeyOf<Conversation> = ({ id, lastMessageAt }) => ({ id, place: lastMessageAt });

/** Takes into the list how one conversation is now, however far down it is. */
async function takeChange(list: PagedList<Conversation>, id: string): Promise<void> {
  try {
    list.put(id, { item: await readConversation(id), keyOf });
  } catch (error) {
    if (isGone(error)) list.put(id, { item: null, keyOf });
  }
}

/** The open conversation: what the list knows of it, else what the server says. */
function OpenConversation({ id, known }: { id: string; known: Conversation | undefined }) {
  const [asked, setAsked] = useState<Conversation | null>(null);
  const [error, setError] = useState<string | null>(null);
  const isListed = known !== undefined;
  const ask = () =>
    void readConversation(id).then(setAsked, (error) => {
      if (isGone(error)) setAsked(null);
      setError(sentenceOf(error));
    });
  useEffect(() => {
    if (!isListed) ask();
  }, [isListed]);
  useEvents(["conversation:changed"], (event) => event?.data.conversationId === id && ask());
  const conversation = known ?? asked;
  const messageId = openMessageId.value;
  if (conversation !== null) {
    return <Thread key={messageId} conversation={conversation} messageId={messageId} />;
  }
  return error === null ? <p class="empty quiet">{TEXT.loading}</p> : (
    <p class="empty" role="alert">
      {error} <a href={LIST_ADDRESS}>{TEXT.back}</a>
    </p>
  );
}

/** Gives the focus back to the link of what was open, once that is closed. */
function useFocusOnReturn(address: string | null): void {
  const last = useRef<string | null>(null);
  useEffect(() => {
    if (address === null && last.current !== null) {
      document.querySelector<HTMLElement>(`.list a[href="${last.current}"]`)?.focus();
    }
    last.current = address;
  }, [address]);
}

/** The list of conversations and the open one; on a phone one of the two. */
export function Conversations() {
  const [list] = useState(listConversations);
  // Without names the handles are shown, which says enough.
  const readNames = () => loadNames().catch(() => {});
  useEffect(() => void readNames(), []);
  useRefresh(["sync:progress", "conversation:changed"], () => list.refresh(keyOf));
  useEvents(["conversation:changed"], (event) => event && void takeChange(list, event.data.conversationId));
  // Contacts come with the rest, of which no row waits once it is all there.
  useEvents(["sync:progress"], (event) => {
    if (event === null || event.data.lagRows === 0) void readNames();
  });
  const id = openConversationId.value;
  useFocusOnReturn(id === null ? null : conversationAddress(id, openMessageId.value ?? undefined));
  const known = list.state.value.pages.flat().find((conversation) => conversation.id === id);
  return (
    <div class={id === null ? "columns" : "columns is-open"}>
      <ConversationList list={list} />
      <main id="content" tabIndex={-1}>
        {id === null
          ? (
            <div class="empty">
              <h1>{TEXT.choose}</h1>
              <p>{TEXT.chooseHint}</p>
            </div>
          )
          : <OpenConversation key={id} id={id} known={known} />}
      </main>
    </div>
  );
}
