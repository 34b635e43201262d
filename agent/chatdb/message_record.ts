/** Owns the making of one message record from its row, its files and the directory. */
import { unixMsOf } from "./apple_time.ts";
import { type BodyRun, decodeBodyRuns } from "./body_runs.ts";
import type { ChatDirectory } from "./chat_directory.ts";
import type { ChatMessage, MessageAttachment, MessageReaction } from "./chat_message.ts";
import { isAppMessage, messageKindOf } from "./message_class.ts";
import type { MessageRow } from "./message_row.ts";
import { isPlaceholderOnly, type MessageText } from "./message_text.ts";

/** A row with what has been found for it. */
export interface RowContents {
  row: MessageRow;
  /** Chat of the row; null while it is in none. */
  chatId: number | null;
  body: MessageText;
  /** Unix time of `row.date`. */
  sentAtMs: number | null;
  files: MessageAttachment[];
  reactions: MessageReaction[];
}

/** True when a row holds nothing that could be shown, nor tells that there was something. */
export function isEmptyMessage({ row, body, files }: RowContents): boolean {
  return body.text === "" && !body.isUndecodable && files.length === 0 && row.subject === null &&
    !isAppMessage(row) && retractedAtMsOf(row, body) === null;
}

/** True when a row's text marks the place of a file that is not there: Messages joins files after the message. */
export function lacksFiles({ row, body, files }: RowContents): boolean {
  return files.length === 0 && isPlaceholderOnly(body.text) && !isAppMessage(row);
}

/** The record of a row that is a message. */
export function messageRecord(contents: RowContents, directory: ChatDirectory): ChatMessage {
  const { row, body } = contents;
  const retractedAtMs = retractedAtMsOf(row, body);
  const text = body.text === "" || isPlaceholderOnly(body.text) ? null : body.text;
  const runs = needsRuns(contents) ? decodeBodyRuns(row.attributedBody ?? new Uint8Array()) : [];
  const attachments = retractedAtMs === null ? inTextOrder(contents.files, runs) : [];
  return {
    rowId: row.rowId,
    guid: row.guid,
    ...partiesOf(contents, directory),
    kind: messageKindOf(row, { text, attachments }),
    text,
    subject: row.subject,
    transcript: runs.find((run) => run.transcript)?.transcript ?? null,
    sentAtMs: contents.sentAtMs,
    editedAtMs: retractedAtMs === null ? unixMsOf(row.dateEdited) : null,
    retractedAtMs,
    changedAtMs: unixMsOf(row.dateEdited),
    replyToGuid: row.threadOriginatorGuid,
    attachments,
    reactions: contents.reactions,
    service: row.service,
  };
}

type Parties = Pick<ChatMessage, "conversation" | "direction" | "sender" | "ownAlias">;

/**
 * Own rows may carry the recipient's handle, so `handle_id` names the sender of incoming rows only. An orphan of a
 * group may still name its room.
 */
function partiesOf({ row, chatId }: RowContents, directory: ChatDirectory): Parties {
  const conversation = directory.conversation(chatId) ??
    (row.roomName === null ? null : directory.conversationOfRoom(row.roomName));
  const account = directory.ownAlias(row.account);
  const ownAlias = directory.ownAlias(row.destinationCallerId) ?? account ?? directory.addressedAlias(chatId);
  if (row.isFromMe) return { conversation, direction: "outgoing", sender: ownAlias, ownAlias };
  const sender = directory.handle(row.handleId);
  if (conversation !== null && sender !== null) directory.addSender(conversation, sender);
  return { conversation, direction: "incoming", sender, ownAlias };
}

/**
 * When the whole message was unsent. Messages stamps `date_edited` for that and leaves `date_retracted` at 0; no part
 * remains, and the body is gone. An unsend of some parts is an edit: the rest of the text stands.
 */
function retractedAtMsOf(row: MessageRow, body: MessageText): number | null {
  const retractedAtMs = unixMsOf(row.dateRetracted);
  if (retractedAtMs !== null) return retractedAtMs;
  const isGone = body.text === "" && !body.isUndecodable && row.partCount === 0;
  return isGone ? unixMsOf(row.dateEdited) : null;
}

/** Runs cost more than the text, so they are decoded only where the record shows something of them. */
function needsRuns({ row, files }: RowContents): boolean {
  return row.attributedBody !== null && (row.isAudio || files.length > 1);
}

/** Files in the order of their places in the text; those without a place come last. */
function inTextOrder(files: MessageAttachment[], runs: readonly BodyRun[]): MessageAttachment[] {
  if (files.length < 2) return files;
  const placeOf = new Map(runs.map((run) => [run.attachmentGuid, run.start]));
  return files.toSorted((a, b) => (placeOf.get(a.guid) ?? Infinity) - (placeOf.get(b.guid) ?? Infinity) || 0);
}
