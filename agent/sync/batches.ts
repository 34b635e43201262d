/** Reads what a sync sends in batches of bounded memory, and cuts them into requests of bounded size. */
import { ORPHANS_ID } from "../../contract/messages/waiting.ts";
import {
  MAX_ADDRESS_LENGTH,
  MAX_CONVERSATION_ID_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PARTICIPANTS,
  MAX_SYNC_MESSAGES,
  type SyncMessagesInput,
} from "../../contract/sync.ts";
import type { Conversation } from "../chatdb/chats/conversation.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { MessageBatch, MessageReader, SkippedRow } from "../chatdb/messages/message_reader.ts";
import { fitLabel, fitText, type OutgoingMessage, outgoingMessageOf } from "./message_mapping.ts";

/** The rows after a mark, in the order they were written. */
export interface SyncBatch
  extends Readonly<Pick<MessageBatch, "messages" | "lastRowId" | "lastGuid" | "hasMore">> {
  /** How many rows were read. */
  readonly rows: number;
  /** Those of them that are no messages. */
  readonly skipped: readonly SkippedRow[];
  /** Messages without words because their body could not be decoded. */
  readonly undecodable: number;
  /** Those that Messages may still be writing, which are read again later. */
  readonly incomplete: readonly number[];
}

export interface ReadBatchOptions {
  /** The present, in Unix time. */
  nowMs: number;
  /** See `ReadOptions`. */
  markGuid?: string | null;
  /** About how many messages to read: the more, the more of one conversation go in one request. */
  messages?: number;
}

export type ConversationFields = Omit<SyncMessagesInput, "messages" | "lagRows">;

/** Messages of one conversation, in the order they were written, that go in one request. */
export interface ConversationBatch {
  readonly conversation: ConversationFields;
  readonly messages: readonly OutgoingMessage[];
}

const DEFAULT_MESSAGES = 8_000;
/** Few enough that rows of 100 kB of text each are no burden either. */
const ROWS_AT_ONCE = 250;
/** Long texts end a batch earlier: 4 MiB as JavaScript stores them. The JSON of each lies beside it until the batch is sent. */
const MAX_TEXT_UNITS = 2 * 1024 * 1024;
/** An eighth of what the server takes, so that a request is never near its bound and memory stays small. */
const MAX_REQUEST_BYTES = 1024 * 1024;
/** UTF-8 bytes of one UTF-16 unit at most; JSON's own escapes are already in the string that is measured. */
const MAX_BYTES_PER_UNIT = 3;

/**
 * Where messages go that Messages has joined to no chat. Their conversation cannot be known, so nothing may be
 * answered as if one person alone had written it: it counts as a group.
 */
const ORPHANS: ConversationFields = {
  conversationImessageId: ORPHANS_ID,
  conversationDisplayName: null,
  isGroup: true,
  participantIds: [],
};

/**
 * Reads the next batch after a mark.
 *
 * @throws ChatDatabaseError or RowsRenumberedError, as `MessageReader.readAfter`
 */
export function readBatch(
  reader: MessageReader,
  rowId: number,
  { nowMs, markGuid = null, messages: enough = DEFAULT_MESSAGES }: ReadBatchOptions,
): SyncBatch {
  const messages: ChatMessage[] = [];
  const skipped: SkippedRow[] = [];
  const incomplete: number[] = [];
  const limit = Math.min(ROWS_AT_ONCE, enough);
  let [lastRowId, lastGuid, undecodable, textUnits] = [rowId, markGuid, 0, 0];
  while (true) {
    const batch = reader.readAfter(lastRowId, { limit, nowMs, markGuid: lastGuid });
    messages.push(...batch.messages);
    skipped.push(...batch.skippedRows);
    incomplete.push(...batch.incompleteRows);
    ({ lastRowId, lastGuid } = batch);
    undecodable += batch.undecodableCount;
    textUnits += batch.messages.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
    if (batch.hasMore && messages.length < enough && textUnits < MAX_TEXT_UNITS) continue;
    const { hasMore } = batch;
    const rows = messages.length + skipped.length + incomplete.length;
    return { messages, lastRowId, lastGuid, rows, skipped, incomplete, undecodable, hasMore };
  }
}

/** The messages of each conversation, in order; conversations are independent of one another. */
export function byConversation(messages: readonly ChatMessage[]): ChatMessage[][] {
  return [...Map.groupBy(messages, (message) => message.conversation?.id).values()];
}

/** The batches of one conversation's messages, in their order. */
export function conversationBatchesOf(own: readonly ChatMessage[]): ConversationBatch[] {
  // The newest message knows every participant met so far.
  const conversation = conversationFieldsOf(own.at(-1)?.conversation ?? null);
  return cut(own.map(outgoingMessageOf)).map((messages) => ({ conversation, messages }));
}

/** The body of a request with some messages of a batch, as JSON. */
export function requestJsonOf(
  { conversation, messages }: ConversationBatch,
  lagRows: number,
): string {
  const head = JSON.stringify({ ...conversation, lagRows });
  return `${head.slice(0, -1)},"messages":[${messages.map(({ json }) => json).join(",")}]}`;
}

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

function cut(messages: readonly OutgoingMessage[]): OutgoingMessage[][] {
  const pieces: OutgoingMessage[][] = [];
  let sizeBytes = Infinity;
  for (const message of messages) {
    const messageBytes = message.json.length * MAX_BYTES_PER_UNIT;
    const piece = pieces.at(-1);
    if (piece && piece.length < MAX_SYNC_MESSAGES && sizeBytes + messageBytes <= MAX_REQUEST_BYTES) {
      piece.push(message);
      sizeBytes += messageBytes;
    } else {
      pieces.push([message]);
      sizeBytes = messageBytes;
    }
  }
  return pieces;
}
