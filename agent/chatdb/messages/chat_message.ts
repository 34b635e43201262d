/** Owns the record of one message as the agent sees it, whatever release of macOS stored it. */
import type { Conversation } from "../chats/conversation.ts";
import type { RowTimestamps } from "./row_timestamps.ts";

export type MessageDirection = "incoming" | "outgoing";

/**
 * `attachment`: files without words. `audio`: a voice message. `app`: drawn by an app, such as a game or a poll; a
 * link with its preview is `text`. `sticker`: stickers only.
 */
export type MessageKind = "text" | "attachment" | "audio" | "app" | "sticker";

/** A file of a message; previews that Messages itself draws are left out. */
export interface MessageAttachment {
  guid: string;
  mimeType: string | null;
  /** The name under which it was sent. */
  name: string | null;
  sizeBytes: number | null;
  isSticker: boolean;
}

export type ReactionKind =
  | "love"
  | "like"
  | "dislike"
  | "laugh"
  | "emphasize"
  | "question"
  | "emoji"
  | "sticker";

/** What somebody has attached to a message and not taken back. */
export interface MessageReaction {
  kind: ReactionKind;
  /** Of kind `emoji` only, and there only when the row names it. */
  emoji: string | null;
  /** Handle of the person; null for the owner. */
  sender: string | null;
  /** Unix time; null when the row has none. */
  reactedAtMs: number | null;
}

/**
 * A message to be synced, with the stamps of its row. Its strings hold neither NUL nor lone surrogates, and optional ones
 * are never ''.
 */
export interface ChatMessage extends RowTimestamps {
  rowId: number;
  guid: string;
  /** Null for an orphan: Messages has joined the row to no chat. */
  conversation: Conversation | null;
  direction: MessageDirection;
  /** Handle of the sender; the owner's own address when outgoing. Null when the row does not tell. */
  sender: string | null;
  /** The owner's address that sent the message or that it was sent to. */
  ownAlias: string | null;
  kind: MessageKind;
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
  /** When the whole message was unsent. */
  retractedAtMs: number | null;
  /** Guid of the message whose thread this one answers in. */
  replyToGuid: string | null;
  attachments: MessageAttachment[];
  /** In the order they were made. */
  reactions: MessageReaction[];
}
