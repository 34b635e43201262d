/** The messages of a conversation: read from its newest or from one in its middle, further as the person scrolls. */
import type { RefObject, VNode } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type Message, messageListSchema } from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { nameOf } from "../names.ts";
import { PagedList } from "../client/pages.ts";
import { ListEnd, Part, PartGroup } from "../scrolling.tsx";
import { STRINGS } from "../strings.ts";
import { dayOf, timeOf } from "../times.ts";

const { thread: TEXT } = STRINGS;
const PAGE_SIZE = 50;
/** Pages of one box: about as many as there are boxes in the longest threads. */
const GROUP_PAGES = 40;

const REACTION_MARKS: Record<string, string> = {
  love: "❤️",
  like: "👍",
  dislike: "👎",
  laugh: "😂",
  emphasize: "‼️",
  question: "❓",
};

/** What is read of a conversation, in both directions. Pages and their messages are newest first. */
export class MessageWindow {
  /** The page where the reading began, then older ones. */
  readonly older: PagedList<Message>;
  /** Newer ones, away from where the reading began; complete at once where that was the newest page. */
  readonly newer: PagedList<Message>;
  #newerCursor: string | null = null;

  /** @param foundId the message in whose middle the reading begins; null: at the newest */
  constructor(conversationId: string, readonly foundId: string | null) {
    const read = (query: string) => {
      const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
      return request(`GET ${path}?pageSize=${PAGE_SIZE}${query}`, { schema: messageListSchema });
    };
    const from = (cursor: string) => read(`&cursor=${encodeURIComponent(cursor)}`);
    const begin = foundId === null ? "" : `&around=${encodeURIComponent(foundId)}`;
    this.older = new PagedList(async (cursor) => {
      const list = await (cursor === null ? read(begin) : from(cursor));
      if (cursor === null) this.#newerCursor = list.previousCursor ?? null;
      return { items: list.messages, nextCursor: list.nextCursor ?? null };
    });
    this.newer = new PagedList(async (cursor) => {
      const next = cursor ?? this.#newerCursor;
      if (next === null) return { items: [], nextCursor: null };
      const list = await from(next);
      return { items: list.messages, nextCursor: list.previousCursor ?? null };
    });
  }

  /** Reads the newest messages again; what was said around a found one stays as it was read. */
  async refresh(): Promise<void> {
    if (this.foundId === null) await this.older.refresh(({ id, sentAt }) => ({ id, place: sentAt }));
  }

  /** The newest messages, newest first; null until they were read. */
  get newest(): readonly Message[] | null {
    const [newer, older] = [this.newer.state.value, this.older.state.value];
    if (older.pages.length === 0 || (this.foundId !== null && !newer.isComplete)) return null;
    const messages: Message[] = [];
    for (const page of [...newer.pages.toReversed(), ...older.pages]) {
      if (messages.length >= PAGE_SIZE) break;
      messages.push(...page);
    }
    return messages.slice(0, PAGE_SIZE);
  }
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

/** How messages are shown: with their senders, and one of them as what was looked for. */
interface Look {
  isGroup: boolean;
  foundId: string | null;
}

function MessageItem({ message, isGroup, foundId }: { message: Message } & Look) {
  const { direction, senderId, sentAt, editedAt, failed } = message;
  const isFound = message.id === foundId;
  return (
    <li
      class={`message ${direction}${isFound ? " found" : ""}`}
      tabIndex={isFound ? -1 : undefined}
      aria-current={isFound || undefined}
    >
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

/** A page; it is drawn again only when its messages changed, not whenever another page was read. */
function Messages({ messages, ...look }: { messages: readonly Message[] } & Look) {
  return useMemo(() => (
    <ol>
      {messages.toReversed().map((one) => <MessageItem key={one.id} message={one} {...look} />)}
    </ol>
  ), [messages]);
}

/**
 * Makes the parts of the list, and gives a page the very part that it had as long as it stays in its place: Preact then leaves
 * that alone, so that the thousandth page costs no more to add than the first.
 */
function useParts({ isGroup, foundId }: Look) {
  const parts = useMemo(() => new WeakMap<readonly Message[], VNode>(), [isGroup, foundId]);
  return (list: string) => (page: readonly Message[], index: number): VNode => {
    const key = `${list} ${index}`;
    const known = parts.get(page);
    if (known?.key === key) return known;
    const part = (
      <Part key={key}>
        {() => <Messages messages={page} isGroup={isGroup} foundId={foundId} />}
      </Part>
    );
    parts.set(page, part);
    return part;
  };
}

function groupsOf(parts: readonly VNode[]): VNode[][] {
  const count = Math.ceil(parts.length / GROUP_PAGES);
  return Array.from(
    { length: count },
    (_, index) => parts.slice(index * GROUP_PAGES, (index + 1) * GROUP_PAGES),
  );
}

/** Waits until a box is at rest: pages that came in meanwhile would end a smooth scroll on its way. */
async function restOf(box: HTMLElement | null): Promise<void> {
  for (let top = NaN; box !== null && top !== box.scrollTop;) {
    top = box.scrollTop;
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  }
}

/** Keeps what is in sight in its place while pages are put in below `mark`: browsers differ in doing so. */
function useSteadyPlace(box: RefObject<HTMLElement | null>, mark: RefObject<HTMLElement | null>): void {
  const topOf = () => mark.current?.getBoundingClientRect().top;
  const before = topOf();
  useLayoutEffect(() => {
    const [after, { current }] = [topOf(), box];
    if (current === null || before === undefined || after === undefined || after === before) return;
    // Chromium would add the change once more to a smooth scroll that is under way: this ends it.
    current.style.overflowY = "hidden";
    current.scrollTop += after - before;
    current.style.overflowY = "";
  });
}

/** The messages, the newest at the bottom: the box is laid out from its end, so that older ones move nothing. */
export function History({ messages, isGroup }: { messages: MessageWindow; isGroup: boolean }) {
  const { older, newer, foundId } = messages;
  const [box, mark] = [useRef<HTMLElement>(null), useRef<HTMLDivElement>(null)];
  useSteadyPlace(box, mark);
  const state = older.state.value;
  const { pages, isComplete } = state;
  const isRead = pages.length > 0;
  useLayoutEffect(() => {
    const found = box.current?.querySelector<HTMLElement>(".found");
    found?.scrollIntoView({ block: "center" });
    found?.focus({ preventScroll: true });
  }, [isRead]);
  const part = useParts({ isGroup, foundId });
  return (
    <section
      ref={box}
      class={foundId === null ? "history scroll" : "history scroll around"}
      tabIndex={0}
      aria-label={TEXT.history}
    >
      {foundId !== null && isRead && !newer.state.value.isComplete && (
        <ListEnd
          state={newer.state.value}
          more={() => void restOf(box.current).then(() => newer.more())}
        />
      )}
      {newer.state.value.pages.map(part("newer")).reverse()}
      {foundId !== null && <div ref={mark} />}
      {groupsOf(pages.map(part("older"))).map((group, index) => <PartGroup key={index}>{group}</PartGroup>)}
      {isComplete && (
        <p class="quiet list-end">{pages.every(({ length }) => length === 0) ? TEXT.empty : TEXT.start}</p>
      )}
      <ListEnd state={state} more={() => void older.more()} />
    </section>
  );
}
