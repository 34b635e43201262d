/** One conversation: its messages, and the draft of a reply. */
import { useEffect, useState } from "preact/hooks";
import type { Conversation } from "../../../contract/conversations.ts";
import { messagesToAnswer } from "../../../contract/messages/waiting.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { conversationAddress, LIST_ADDRESS } from "../address.ts";
import { Deleting } from "../deleting.tsx";
import { DraftPanel } from "./draft_panel.tsx";
import { History, MessageWindow } from "./history.tsx";
import { useRefresh } from "../client/loading.ts";
import { titleOf } from "../names.ts";
import { Policy } from "./policy.tsx";
import { STRINGS } from "../strings.ts";

const { thread: TEXT } = STRINGS;

/** What is below the messages: the panel of the reply, and from a found message the way to the newest ones. */
function Foot({ conversation, messages }: { conversation: Conversation; messages: MessageWindow }) {
  const { id, lastMessageAt, drafting } = conversation;
  const isOff = drafting === "off";
  const { newest, foundId } = messages;
  const asked = newest && messagesToAnswer(newest).at(-1);
  return (
    <>
      {foundId !== null && newest?.[0]?.sentAt !== lastMessageAt && (
        <p class="draft">
          <a href={conversationAddress(id)}>{TEXT.toNewest}</a>
        </p>
      )}
      {isOff && <p class="draft quiet">{STRINGS.policy.isOff}</p>}
      {!isOff && newest !== null && <DraftPanel conversationId={id} messageId={asked?.id ?? null} />}
    </>
  );
}

/** What can be done with the message at which the conversation is open. */
function FoundMessage(
  { id, isDeleted, onDelete }: { id: string; isDeleted: boolean; onDelete: () => void },
) {
  return (
    <div class="found-message">
      {isDeleted ? <p role="status">{TEXT.deleted}</p> : (
        <Deleting
          path={pathOf(SERVER_PATHS.message, { id })}
          label={TEXT.delete}
          confirm={TEXT.confirmDelete}
          onGone={onDelete}
        />
      )}
    </div>
  );
}

/** A conversation with the panel that drafts its next reply; `messageId` is the message to show it at. */
export function Thread(
  { conversation: known, messageId }: { conversation: Conversation; messageId: string | null },
) {
  const [conversation, setConversation] = useState(known);
  useEffect(() => setConversation(known), [known]);
  const [isDeleted, setDeleted] = useState(false);
  const [messages] = useState(() => new MessageWindow(conversation.id, messageId));
  useRefresh(["sync:progress", "conversation:changed"], () => messages.refresh());
  return (
    <article class="thread">
      <header>
        <a class="back" href={LIST_ADDRESS} aria-label={STRINGS.conversations.back}>‹</a>
        <h1>
          <bdi>{titleOf(conversation)}</bdi>
        </h1>
        <Policy conversation={conversation} onChange={setConversation} />
      </header>
      {messageId !== null && (
        <FoundMessage
          id={messageId}
          isDeleted={isDeleted}
          onDelete={() => setDeleted(true)}
        />
      )}
      <History messages={messages} isGroup={conversation.isGroup} />
      <Foot conversation={conversation} messages={messages} />
    </article>
  );
}
