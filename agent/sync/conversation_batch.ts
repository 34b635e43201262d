/** Owns the cutting of what was read into the server's batches: one conversation each, bounded in count and size. */
import {
  MAX_ADDRESS_LENGTH,
  MAX_CONVERSATION_ID_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PARTICIPANTS,
  MAX_SYNC_MESSAGES,
  type SyncMessagesInput,
} from "../../contract/sync.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { Conversation } from "../chatdb/chats/conversation.ts";
import { type WireMessage, wireMessageOf } from "./message_mapping.ts";
import { fitLabel, fitText } from "./wire_text.ts";

/** A message on its way, with the row it came from. */
export interface OutgoingMessage {
  readonly rowId: number;
  readonly wire: WireMessage;
}

export type ConversationFields = Omit<SyncMessagesInput, "messages">;

/** Messages of one conversation, in the order they were written, that go in one request. */
export interface ConversationBatch {
  readonly conversation: ConversationFields;
  readonly messages: readonly OutgoingMessage[];
}

/** An eighth of what the server takes, so that a batch is never near its bound and memory stays small. */
const MAX_BATCH_BYTES = 1024 * 1024;
/** UTF-8 bytes of one UTF-16 unit at most; JSON's own escapes are already in the string that is measured. */
const MAX_BYTES_PER_UNIT = 3;

/**
 * Where messages go that Messages has joined to no chat. Their conversation cannot be known, so nothing may be
 * answered as if one person alone had written it: it counts as a group.
 */
const ORPHANS: ConversationFields = {
  conversationImessageId: "orphaned-messages",
  conversationDisplayName: null,
  isGroup: true,
  participantIds: [],
};

function conversationFieldsOf(conversation: Conversation | null): ConversationFields {
  if (conversation === null) return ORPHANS;
  const participants = conversation.participants.map((handle) => fitLabel(handle, MAX_ADDRESS_LENGTH));
  const { displayName } = conversation;
  return {
    conversationImessageId: fitLabel(conversation.id, MAX_CONVERSATION_ID_LENGTH) ?? "unnamed",
    conversationDisplayName: displayName === null ? null : fitText(displayName, MAX_DISPLAY_NAME_LENGTH),
    isGroup: conversation.isGroup,
    participantIds: participants.filter((handle) => handle !== null).slice(0, MAX_PARTICIPANTS),
  };
}

function sizeBoundOf({ wire }: OutgoingMessage): number {
  return JSON.stringify(wire).length * MAX_BYTES_PER_UNIT;
}

function cut(messages: readonly OutgoingMessage[]): OutgoingMessage[][] {
  const pieces: OutgoingMessage[][] = [];
  let sizeBytes = Infinity;
  for (const message of messages) {
    const messageBytes = sizeBoundOf(message);
    const piece = pieces.at(-1);
    if (piece && piece.length < MAX_SYNC_MESSAGES && sizeBytes + messageBytes <= MAX_BATCH_BYTES) {
      piece.push(message);
      sizeBytes += messageBytes;
    } else {
      pieces.push([message]);
      sizeBytes = messageBytes;
    }
  }
  return pieces;
}

/** The messages of each conversation, in order; conversations are independent of one another. */
export function byConversation(messages: readonly ChatMessage[]): ChatMessage[][] {
  return [...Map.groupBy(messages, (message) => message.conversation?.id).values()];
}

/** The batches of one conversation's messages, in their order. */
export function conversationBatchesOf(own: readonly ChatMessage[]): ConversationBatch[] {
  // The newest message knows every participant met so far.
  const conversation = conversationFieldsOf(own.at(-1)?.conversation ?? null);
  const outgoing = own.map((message) => ({ rowId: message.rowId, wire: wireMessageOf(message) }));
  return cut(outgoing).map((piece) => ({ conversation, messages: piece }));
}
