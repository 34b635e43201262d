/** Maps a message of chat.db to the message of the contract, whatever its row holds, and serializes it within the contract's bounds. */
import { createHash } from "node:crypto";
import { MAX_LABEL_LENGTH, MAX_TEXT_LENGTH } from "../../contract/scalars.ts";
import {
  type Attachment,
  MAX_ADDRESS_LENGTH,
  MAX_ATTACHMENTS,
  MAX_EMOJI_LENGTH,
  MAX_FILE_NAME_LENGTH,
  MAX_REACTIONS,
  MESSAGE_LABELS,
  MESSAGE_TIMES,
  type MessageType,
  type Reaction,
  type SyncMessagesInput,
} from "../../contract/sync.ts";
import type { ChatMessage } from "../chatdb/messages/chat_message.ts";
import type { MessageAttachment } from "../chatdb/messages/message_attachments.ts";
import type { MessageKind } from "../chatdb/messages/message_class.ts";
import type { MessageReaction } from "../chatdb/messages/reactions.ts";

export type WireMessage = SyncMessagesInput["messages"][number];

/** A message as it is sent, with the row it came from. */
export interface OutgoingMessage {
  readonly rowId: number;
  readonly imessageGuid: string;
  /** The message of the contract: the size of its batch, its request and the digest of what was sent come from this. */
  readonly json: string;
}

/** 128 bits: far beyond chance collisions. */
const DIGEST_CHARACTERS = 32;
/** Marks a file's place in the text; the files themselves are listed beside it. */
const OBJECT_REPLACEMENT = "\u{FFFC}";
/** The time of a row without one: the contract requires a time, and this one sorts before all others. */
const UNKNOWN_TIME_MS = 0;

const TYPE_OF_KIND: Record<Exclude<MessageKind, "attachment">, MessageType> = {
  text: "text",
  audio: "audio",
  app: "app",
  sticker: "sticker",
};
const MEDIA_TYPES: readonly MessageType[] = ["image", "video", "audio"];

function mediaTypeOf({ mimeType }: MessageAttachment): MessageType {
  const media = mimeType?.split("/", 1)[0]?.toLowerCase();
  return MEDIA_TYPES.find((type) => type === media) ?? "file";
}

/** Files of several kinds are files. */
function messageTypeOf({ kind, attachments, isNote }: ChatMessage): MessageType {
  if (isNote) return "system";
  if (kind !== "attachment") return TYPE_OF_KIND[kind];
  const types = new Set(attachments.map(mediaTypeOf));
  const [type] = types;
  return types.size === 1 && type !== undefined ? type : "file";
}

/** The text of a message: its subject line, its text, or the transcript of a voice message. */
function textOf({ subject, text, transcript }: ChatMessage): string | null {
  const words = (text ?? transcript)?.replaceAll(OBJECT_REPLACEMENT, "") || null;
  const lines = [subject, words].filter((line) => line !== null);
  return lines.length === 0 ? null : fitText(lines.join("\n"), MAX_TEXT_LENGTH);
}

function attachmentOf(file: MessageAttachment): Attachment | null {
  const guid = fitLabel(file.guid, MAX_LABEL_LENGTH);
  if (guid === null) return null;
  const size = file.sizeBytes;
  return {
    guid,
    mimeType: fitLabel(file.mimeType, MAX_LABEL_LENGTH),
    name: file.name === null ? null : fitText(file.name, MAX_FILE_NAME_LENGTH),
    ...(size !== null && Number.isSafeInteger(size) && size >= 0 ? { sizeBytes: size } : {}),
  };
}

/** Null for a person without a usable handle: on the wire a null sender is the owner. */
function reactionOf({ kind, emoji, sender, reactedAtMs }: MessageReaction): Reaction | null {
  const senderId = fitLabel(sender, MAX_ADDRESS_LENGTH);
  if (sender !== null && senderId === null) return null;
  return {
    kind,
    ...(emoji === null ? {} : { emoji: fitText(emoji, MAX_EMOJI_LENGTH) }),
    senderId,
    ...(reactedAtMs === null ? {} : { reactedAt: isoTime(reactedAtMs) }),
  };
}

function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** A delivery is reported of own messages only. */
function timesOf(message: ChatMessage): Pick<WireMessage, typeof MESSAGE_TIMES[number]> {
  const times: ReturnType<typeof timesOf> = {};
  for (const name of MESSAGE_TIMES) {
    const atMs = message[`${name}Ms`];
    if (atMs === null || (name === "deliveredAt" && message.direction === "incoming")) continue;
    times[name] = isoTime(atMs);
  }
  return times;
}

function labelsOf(message: ChatMessage): Pick<WireMessage, typeof MESSAGE_LABELS[number]> {
  const labels: ReturnType<typeof labelsOf> = {};
  for (const name of MESSAGE_LABELS) {
    const label = message[name];
    if (label !== null) labels[name] = fitLabel(label, MAX_LABEL_LENGTH);
  }
  return labels;
}

/** The guid of a row as the server knows it; null for a row without one. */
export function wireGuidOf(guid: string): string | null {
  return fitLabel(guid, MAX_LABEL_LENGTH);
}

/**
 * The message as the server takes it. A field that is left out stays as the server has it, so what may once have been
 * there is sent as empty: reactions always, files once the message was edited or unsent.
 */
export function wireMessageOf(message: ChatMessage): WireMessage {
  const attachments = message.attachments.map(attachmentOf).filter((file) => file !== null);
  const reactions = message.reactions.map(reactionOf).filter((reaction) => reaction !== null);
  return {
    imessageGuid: wireGuidOf(message.guid) ?? `row-${message.rowId}`,
    senderId: fitLabel(message.sender, MAX_ADDRESS_LENGTH),
    direction: message.direction,
    messageType: messageTypeOf(message),
    text: textOf(message),
    sentAt: isoTime(message.sentAtMs ?? UNKNOWN_TIME_MS),
    ...timesOf(message),
    ...(message.isFailed ? { failed: true } : {}),
    ...labelsOf(message),
    reactions: reactions.slice(0, MAX_REACTIONS),
    ...(attachments.length > 0 || message.changedAtMs !== null
      ? { attachments: attachments.slice(0, MAX_ATTACHMENTS) }
      : {}),
  };
}

const outgoingMessages = new WeakMap<ChatMessage, OutgoingMessage>();

/** The message as it is sent, mapped and serialized once for as long as it is in memory. */
export function outgoingMessageOf(message: ChatMessage): OutgoingMessage {
  const known = outgoingMessages.get(message);
  if (known !== undefined) return known;
  const wire = wireMessageOf(message);
  const { rowId } = message;
  const outgoing = { rowId, imessageGuid: wire.imessageGuid, json: JSON.stringify(wire) };
  outgoingMessages.set(message, outgoing);
  return outgoing;
}

/** A short digest that identifies a value without revealing it. */
export function digestOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, DIGEST_CHARACTERS);
}

/** Text that the contract takes: no NUL, no lone surrogates, at most `maxLength` UTF-16 units. */
export function fitText(text: string, maxLength: number): string {
  const clean = (text.includes("\0") ? text.replaceAll("\0", "") : text).toWellFormed();
  if (clean.length <= maxLength) return clean;
  const lastUnit = clean.charCodeAt(maxLength - 1);
  const splitsPair = lastUnit >= 0xd800 && lastUnit <= 0xdbff;
  return clean.slice(0, splitsPair ? maxLength - 1 : maxLength);
}

/**
 * An identifier that the contract takes, or null for an empty one.
 *
 * One that is too long ends in a digest of all of it, so that different identifiers stay different.
 */
export function fitLabel(label: string | null, maxLength: number): string | null {
  const clean = fitText(label ?? "", Infinity);
  if (clean === "") return null;
  if (clean.length <= maxLength) return clean;
  return `${fitText(clean, maxLength - DIGEST_CHARACTERS - 1)}~${digestOf(clean)}`;
}
