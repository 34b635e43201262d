/** What an odd row is, and the short words in which the corpus writes them. */
import { encodeKeyedArchive } from "../binary_plist_writer.ts";
import type { Chat, ChatDb, ChatDbOptions, Message, Row } from "../chat_db_fixture.ts";
import { addAppMessage, addAttachmentMessage } from "../rows.ts";

export const ANA = "+15550100001";
export const BO = "+15550100002";
/** When the odd rows were written, and when they were changed. */
export const at = "2024-06-01T12:00:00.250Z";
export const later = "2024-06-01T12:05:00.000Z";

export interface OddRow {
  readonly what: string;
  /** The first cell of the row of docs/reading-messages.md that it is a case of. */
  readonly quirk?: string;
  readonly options?: ChatDbOptions;
  readonly write: (db: ChatDb, ana: Chat) => unknown;
  /**
   * Each message as `conversation < kind: text {details}`: `>` for an own one, `(failed)` behind the kind of one that
   * failed, `note` for what no person wrote, `-` for none. `describeMessage` lists the details.
   */
  readonly messages: readonly string[];
}

export const LINK = "https://example.test/b";
export const URL_BALLOON = "com.apple.messages.URLBalloonProvider";
export const POLLS = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls";
export const GAME = "com.apple.messages.MSMessageExtensionBalloonPlugin:EWFNLB79LQ:com.example.game";
export const PICTURE = { name: "a.png", mimeType: "image/png" };
export const STICKER = { name: "a.heic", mimeType: "image/heic", isSticker: true };

export const group = (db: ChatDb, more: { displayName?: string; columns?: Row } = {}) =>
  db.addChat({ identifier: "chat7", groupId: "GROUP", participants: [ANA, BO], ...more });
export const incoming = (db: ChatDb, chat: Chat | null, text: string, columns: Row = {}) =>
  db.addMessage({ chat, from: ANA, sentAt: at, text, columns });
export const own = (db: ChatDb, chat: Chat | null, text: string, columns: Row = {}) =>
  db.addMessage({ chat, from: "me", sentAt: at, text, columns });
/** One message in a chat of its own. */
export const inChat = (db: ChatDb, identifier: string, text: string) =>
  db.addMessage({ chat: db.addChat({ identifier, group: false }), from: identifier, sentAt: at, text });
export const preview = (db: ChatDb, chat: Chat, text = LINK) =>
  addAppMessage(db, { chat, from: ANA, sentAt: at, text, bundleId: URL_BALLOON });
export const balloon = (db: ChatDb, chat: Chat, bundleId: string, payload: Uint8Array) =>
  addAppMessage(db, { chat, from: ANA, sentAt: at, bundleId, payload });
export const files = (db: ChatDb, chat: Chat, ...names: { name: string; mimeType: string }[]) =>
  addAttachmentMessage(db, { chat, from: ANA, sentAt: at, files: names });
export const poll = (title: string, ...options: string[]) => {
  const item = { title, orderedPollOptions: options.map((text) => ({ text })) };
  const json = new TextEncoder().encode(JSON.stringify({ version: 1, item }));
  return encodeKeyedArchive(
    new Map([["URL", new URL(`data:,${btoa(String.fromCharCode(...json))}?votes=0`)]]),
  );
};
export const joinBoth = (db: ChatDb, ana: Chat, columns = {}) => {
  const room = group(db);
  const message = db.addMessage({ chat: room, from: ANA, sentAt: at, text: "to all", joinLater: true });
  for (const chat of [ana, room]) db.joinMessage(message, chat);
  setColumns(db, message, columns);
};
export const setColumns = (db: ChatDb, { rowId }: Message, set: Row) =>
  db.store.update("message", { rowId, set });
export const loseWords = (db: ChatDb, message: Message) =>
  setColumns(db, message, { text: null, attributedBody: null });
export const appleDate = (db: ChatDb, moment: string) => db.store.appleDate(new Date(moment));
