/** The form in which the messages of the writer and those of the server are compared. */
import type { SyncMessage } from "../../../contract/sync.ts";
import type { WrittenMessage } from "./messages_writer.ts";

/** What a synced and a stored message have in common. */
type StoredFields = Omit<SyncMessage, "imessageGuid">;

/** A message in one form for both sides. */
export interface ComparedMessage {
  conversation: string;
  sender: string | null;
  direction: string;
  text: string | null;
  sentAt: string;
  editedAt: string | null;
  retractedAt: string | null;
  readAt: string | null;
  deliveredAt: string | null;
  attachments: string[];
  reactions: string[];
}

function isoTime(unixMs: number | null): string | null {
  return unixMs === null ? null : new Date(unixMs).toISOString();
}

/** What the writer has of a message. */
export function comparedOfWriter(message: WrittenMessage): ComparedMessage {
  return {
    conversation: message.conversation,
    sender: message.sender,
    direction: message.sender === null ? "outgoing" : "incoming",
    text: message.text,
    sentAt: isoTime(message.sentAtMs) ?? "",
    editedAt: isoTime(message.editedAtMs),
    retractedAt: isoTime(message.retractedAtMs),
    readAt: isoTime(message.readAtMs),
    deliveredAt: isoTime(message.deliveredAtMs),
    attachments: message.attachments,
    reactions: message.reactions.map(({ kind, emoji, sender, reactedAtMs }) =>
      JSON.stringify([kind, emoji, sender, isoTime(reactedAtMs)])
    ).sort(),
  };
}

/** What a server has of a message; what was unsent has no edit time, whenever it was edited before. */
export function comparedOfServer(conversation: string, message: StoredFields): ComparedMessage {
  return {
    conversation,
    sender: message.direction === "outgoing" ? null : message.senderId ?? null,
    direction: message.direction,
    text: message.text ?? null,
    sentAt: message.sentAt,
    editedAt: message.retractedAt ? null : message.editedAt ?? null,
    retractedAt: message.retractedAt ?? null,
    readAt: message.readAt ?? null,
    deliveredAt: message.deliveredAt ?? null,
    attachments: message.attachments?.map(({ guid }) => guid) ?? [],
    reactions:
      message.reactions?.map(({ kind, emoji, senderId, reactedAt }) =>
        JSON.stringify([kind, emoji ?? null, senderId, reactedAt])
      ).sort() ?? [],
  };
}

/** By guid, in an order of their own, so that two of them can be compared as they are. */
export function byGuid(
  messages: Iterable<readonly [guid: string, message: ComparedMessage]>,
): Record<string, ComparedMessage> {
  return Object.fromEntries([...messages].sort(([a], [b]) => a < b ? -1 : 1));
}
