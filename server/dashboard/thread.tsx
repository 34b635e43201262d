/** One conversation: its messages, and the draft of a reply. */
import { useState } from "preact/hooks";
import type { Conversation } from "../../contract/conversations.ts";
import { messagesToAnswer } from "../../contract/messages/waiting.ts";
import { conversationAddress, LIST_ADDRESS } from "./address.ts";
import { DraftPanel } from "./draft_panel.tsx";
import { History, MessageWindow } from "./history.tsx";
import { useRefresh } from "./loading.ts";
import { titleOf } from "./names.ts";
import { STRINGS } from "./strings.ts";

const { thread: TEXT } = STRINGS;

/** What is below the messages: the panel of the reply, and from a found message the way to the newest ones. */
function Foot({ conversation, messages }: { conversation: Conversation; messages: MessageWindow }) {
  const { id, lastMessageAt } = conversation;
  const { newest, foundId } = messages;
  const asked = newest && messagesToAnswer(newest).at(-1);
  return (
    <>
      {foundId !== null && newest?.[0]?.sentAt !== lastMessageAt && (
        <p class="draft">
          <a href={conversationAddress(id)}>{TEXT.toNewest}</a>
        </p>
      )}
      {newest !== null && <DraftPanel conversationId={id} messageId={asked?.id ?? null} />}
    </>
  );
}

/** A conversation with the panel that drafts its next reply; `messageId` is the message to show it at. */
export function Thread(
  { conversation, messageId }: { conversation: Conversation; messageId: string | null },
) {
  const [messages] = useState(() => new MessageWindow(conversation.id, messageId));
  useRefresh(["sync:progress"], () => messages.refresh());
  return (
    <article class="thread">
      <header>
        <a class="back" href={LIST_ADDRESS} aria-label={STRINGS.conversations.back}>‹</a>
        <h1>
          <bdi>{titleOf(conversation)}</bdi>
        </h1>
      </header>
      <History messages={messages} isGroup={conversation.isGroup} />
      <Foot conversation={conversation} messages={messages} />
    </article>
  );
}
