/** One conversation: its messages, older ones as the person scrolls, and the draft of a reply. */
import { useState } from "preact/hooks";
import { type Conversation, type Message, messageListSchema } from "../../contract/conversations.ts";
import { messagesToAnswer } from "../../contract/messages/waiting.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { LIST_ADDRESS } from "./address.ts";
import { request } from "./api.ts";
import { useRefresh } from "./loading.ts";
import { DraftPanel } from "./draft_panel.tsx";
import { nameOf, titleOf } from "./names.ts";
import { PagedList } from "./pages.ts";
import { ListEnd, Part } from "./scrolling.tsx";
import { STRINGS } from "./strings.ts";
import { dayOf, timeOf } from "./times.ts";

const { thread: TEXT } = STRINGS;
const PAGE_SIZE = 50;

const REACTION_MARKS: Record<string, string> = {
  love: "❤️",
  like: "👍",
  dislike: "👎",
  laugh: "😂",
  emphasize: "‼️",
  question: "❓",
};

/** The messages of a conversation, newest first. */
function listMessages(id: string): PagedList<Message> {
  return new PagedList(async (cursor) => {
    const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `${pathOf(SERVER_PATHS.conversationMessages, { id })}?pageSize=${PAGE_SIZE}${after}`;
    const list = await request(`GET ${path}`, { schema: messageListSchema });
    return { items: list.messages, nextCursor: list.nextCursor ?? null };
  });
}

function Reactions({ reactions }: Pick<Message, "reactions">) {
  if (reactions.length === 0) return null;
  return (
    <ul class="reactions">
      {reactions.map(({ kind, emoji, senderId }, index) => (
        <li key={index} title={senderId === null ? TEXT.you : nameOf(senderId)}>
          {emoji ?? REACTION_MARKS[kind] ?? kind}
        </li>
      ))}
    </ul>
  );
}

function MessageBody({ message }: { message: Message }) {
  if (message.retractedAt !== null) return <p class="bubble quiet">{TEXT.unsent}</p>;
  const files = message.attachments.map(({ guid, name }) => (
    <p key={guid} class="attachment">
      📎 <bdi>{name ?? TEXT.attachment}</bdi>
    </p>
  ));
  return (
    <div class="bubble">
      {files}
      {message.text !== null && message.text !== "" && <p dir="auto" class="text">{message.text}</p>}
    </div>
  );
}

function MessageItem({ message, isGroup }: { message: Message; isGroup: boolean }) {
  const { direction, senderId, sentAt, editedAt, failed } = message;
  return (
    <li class={`message ${direction}`}>
      {isGroup && direction === "incoming" && senderId !== null && (
        <bdi class="sender quiet">{nameOf(senderId)}</bdi>
      )}
      <MessageBody message={message} />
      <Reactions reactions={message.reactions} />
      <p class="quiet meta">
        <time dateTime={sentAt}>{dayOf(sentAt)}, {timeOf(sentAt)}</time>
        {editedAt !== null && ` · ${TEXT.edited}`}
        {failed === true && ` · ${TEXT.failed}`}
      </p>
    </li>
  );
}

/** The messages, the newest at the bottom: the box is laid out from its end, so that older ones move nothing. */
function History({ list, isGroup }: { list: PagedList<Message>; isGroup: boolean }) {
  const state = list.state.value;
  const isEmpty = state.isComplete && state.pages.flat().length === 0;
  return (
    <section class="history scroll" tabIndex={0} aria-label={TEXT.history}>
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => (
            <ol>
              {page.toReversed().map((one) => <MessageItem key={one.id} message={one} isGroup={isGroup} />)}
            </ol>
          )}
        </Part>
      ))}
      {state.isComplete && <p class="quiet list-end">{isEmpty ? TEXT.empty : TEXT.start}</p>}
      <ListEnd state={state} more={() => void list.more()} />
    </section>
  );
}

/** A conversation with the panel that drafts its next reply. */
export function Thread({ conversation }: { conversation: Conversation }) {
  const [list] = useState(() => listMessages(conversation.id));
  useRefresh(["sync:progress"], () => list.refresh(({ id, sentAt }) => ({ id, place: sentAt })));
  const [newest] = list.state.value.pages;
  const asked = newest && messagesToAnswer(newest).at(-1);
  return (
    <article class="thread">
      <header>
        <a class="back" href={LIST_ADDRESS} aria-label={STRINGS.conversations.back}>‹</a>
        <h1>
          <bdi>{titleOf(conversation)}</bdi>
        </h1>
      </header>
      <History list={list} isGroup={conversation.isGroup} />
      {newest !== undefined && <DraftPanel conversationId={conversation.id} messageId={asked?.id ?? null} />}
    </article>
  );
}
