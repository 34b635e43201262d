/** Makes the record of a message, the same whatever release of macOS stored its row. */
import { unixMsOf } from "../file/sql_value.ts";
import { type BodyRun, decodeBodyRuns } from "../body/body_runs.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import type { Conversation } from "../chats/conversation.ts";
import type { EditHistory } from "../body/edit_history.ts";
import type { MessageAttachment } from "./message_attachments.ts";
import { isAppMessage, isBreadcrumb, type MessageKind, messageKindOf } from "./message_class.ts";
import type { MessageRow } from "./message_row.ts";
import { breadcrumbText, isPlaceholderOnly, type MessageText } from "../body/message_text.ts";
import type { MessageReaction } from "./reactions.ts";
import { type RowTimestamps, timestampsOf } from "./row_timestamps.ts";

export type MessageDirection = "incoming" | "outgoing";

/**
 * A message to be synced, with the timestamps of its row. Its strings hold neither NUL nor lone surrogates, and optional ones
 * are never ''.
 */
export interface ChatMessage extends RowTimestamps {
  rowId: number;
  guid: string;
  /** Null for an orphan: Messages has joined the row to no chat. */
  conversation: Conversation | null;
  direction: MessageDirection;
  /** Handle of the sender; the owner's own address when outgoing. Null when the row does not name one. */
  sender: string | null;
  /** The owner's address that sent the message or that it was sent to. */
  ownAlias: string | null;
  kind: MessageKind;
  /** Set on an own message that Messages could not deliver. */
  isFailed?: true;
  /** Set on what an app or a service says, which no person wrote. */
  isNote?: true;
  /**
   * The words, with U+FFFC where a file stands between them. Null when there are none: files only, unsent, or a body
   * that could not be decoded.
   */
  text: string | null;
  subject: string | null;
  /** What macOS heard in a voice message. */
  transcript: string | null;
  /** Unix time; null when the row has none. */
  sentAtMs: number | null;
  editedAtMs: number | null;
  /** When the entire message was unsent. */
  retractedAtMs: number | null;
  /** Guid of the message whose thread this one answers in. */
  replyToGuid: string | null;
  attachments: MessageAttachment[];
  /** In the order they were made. */
  reactions: MessageReaction[];
}

/** A row with everything found for it. */
export interface RowContents {
  row: MessageRow;
  /** Chat of the row; null while it is in none. */
  chatId: number | null;
  body: MessageText;
  /** Unix time of `row.date`. */
  sentAtMs: number | null;
  files: MessageAttachment[];
  reactions: MessageReaction[];
  /** Null for a row without recorded edits. */
  history: EditHistory | null;
}

/** True when a row has nothing to show and was not unsent either. */
export function isEmptyMessage(contents: RowContents): boolean {
  const { row, body, files } = contents;
  return body.text === "" && !body.isUndecodable && files.length === 0 && row.subject === null &&
    !isAppMessage(row) && retractedAtMsOf(contents) === null;
}

/** True when a row's text marks the place of a file that is not there: Messages joins files after the message. */
export function lacksFiles({ row, body, files }: RowContents): boolean {
  return files.length === 0 && isPlaceholderOnly(body.text) && !isAppMessage(row);
}

/** The record of a row that is a message. */
export function messageRecord(contents: RowContents, directory: ChatDirectory): ChatMessage {
  const { row, body, history } = contents;
  const retractedAtMs = retractedAtMsOf(contents);
  const timestamps = timestampsOf(row);
  const parties = partiesOf(contents, directory);
  const runs = needsRuns(contents) ? decodeBodyRuns(row.attributedBody ?? new Uint8Array()) : [];
  const words = isBreadcrumb(row)
    ? breadcrumbText(body.text, readersOf(parties))
    : describedText(contents, runs);
  const text = words === "" || isPlaceholderOnly(words) ? null : words;
  const attachments = retractedAtMs === null ? filesLeft(contents, runs) : [];
  const message: ChatMessage = {
    rowId: row.rowId,
    guid: row.guid,
    ...parties,
    kind: messageKindOf(row, { text, attachments }),
    text,
    subject: row.subject,
    transcript: runs.find((run) => run.transcript)?.transcript ?? null,
    sentAtMs: contents.sentAtMs,
    editedAtMs: retractedAtMs === null ? timestamps.changedAtMs ?? history?.editedAtMs ?? null : null,
    retractedAtMs,
    ...timestamps,
    replyToGuid: row.threadOriginatorGuid,
    attachments,
    reactions: contents.reactions,
  };
  if (row.isFromMe && row.hasError) message.isFailed = true;
  if (isBreadcrumb(row) || row.isService) message.isNote = true;
  return message;
}

/** The text with a drawn emoji's description in its place. */
function describedText({ body, files }: RowContents, runs: readonly BodyRun[]): string {
  let { text } = body;
  for (const { start, length, attachmentGuid } of runs.toReversed()) {
    const description = files.find(({ guid }) => guid === attachmentGuid)?.description;
    if (description !== undefined) {
      text = `${text.slice(0, start)}[${description}]${text.slice(start + length)}`;
    }
  }
  return text;
}

type Parties = Pick<ChatMessage, "conversation" | "direction" | "sender" | "ownAlias">;

/**
 * Own rows may carry the recipient's handle, so `handle_id` names the sender of incoming rows only.
 */
function partiesOf({ row, chatId }: RowContents, directory: ChatDirectory): Parties {
  const conversation = directory.conversation(chatId);
  const account = directory.ownAlias(row.account);
  const ownAlias = directory.ownAlias(row.destinationCallerId) ?? account ?? directory.addressedAlias(chatId);
  // Of a note to oneself there may be only the row that was received.
  const isOwn = row.isFromMe || (conversation !== null && directory.isSelfChat(conversation));
  if (isOwn) return { conversation, direction: "outgoing", sender: ownAlias, ownAlias };
  const sender = directory.handle(row.handleId);
  if (conversation !== null && sender !== null) directory.addSender(conversation, sender);
  return { conversation, direction: "incoming", sender, ownAlias };
}

/** Who wrote a message, and to whom; null for a group and for an unknown person. */
function readersOf(parties: Parties): { sender: string | null; receiver: string | null } {
  const { conversation, direction, sender, ownAlias } = parties;
  if (direction === "incoming") return { sender, receiver: ownAlias };
  return { sender, receiver: conversation?.isGroup === false ? conversation.participants[0] ?? null : null };
}

/**
 * When the entire message was unsent. Messages then sets `date_edited` and leaves `date_retracted` at 0; no part remains,
 * and the body is gone. An unsend of some parts is an edit: the rest of the text stays.
 */
function retractedAtMsOf({ row, body, history }: RowContents): number | null {
  const retractedAtMs = unixMsOf(row.dateRetracted);
  if (retractedAtMs !== null) return retractedAtMs;
  const isGone = body.text === "" && !body.isUndecodable &&
    (!row.hasParts || history?.isFullyRetracted === true);
  return isGone ? unixMsOf(row.dateEdited) : null;
}

/** Runs cost more than the text, so they are decoded only where the record shows something of them. */
function needsRuns({ row, files, history }: RowContents): boolean {
  return row.attributedBody !== null &&
    (row.isAudio || files.length > 1 || files[0]?.description !== undefined ||
      (files.length > 0 && history?.hasRetractedParts === true));
}

/**
 * Files in the order of their places in the text; those without a place come last. Once parts were unsent, what has
 * no place has gone with them, although Messages may keep its row.
 */
function filesLeft({ files, history }: RowContents, runs: readonly BodyRun[]): MessageAttachment[] {
  if (runs.length === 0) return files;
  const placeOf = new Map(runs.map((run) => [run.attachmentGuid, run.start]));
  const left = history?.hasRetractedParts ? files.filter(({ guid }) => placeOf.has(guid)) : files;
  return left.toSorted((a, b) => (placeOf.get(a.guid) ?? Infinity) - (placeOf.get(b.guid) ?? Infinity) || 0);
}
