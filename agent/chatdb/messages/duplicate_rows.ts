/** Recognises rows that repeat an earlier one: the preview of a link, and the second row of a note to oneself. */
import { isNanoseconds } from "../file/apple_time.ts";
import type { ChatDatabase } from "../file/chat_database.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import type { Conversation } from "../chats/conversation.ts";
import { type ChatFinder, chatFinder } from "../chats/message_chats.ts";
import { ASSOCIATED, isLinkPreview, type SkipReason } from "./message_class.ts";
import { MESSAGE_ROWS, type MessageRow } from "./message_row.ts";
import { messageTextOf } from "../body/message_text.ts";
import type { SqlValue } from "../file/sql_value.ts";

const NANOSECONDS_PER_S = 1_000_000_000n;
/** Without an index by date, the most rows looked at before one: what belongs together is written together. */
const ROWS_BEFORE = 500;
/** How far apart the two rows of a note to oneself are dated at most (chatdb readers' reports: under 2 s). */
const TWIN_WINDOW_S = 2;
/** The preview has been seen to follow within 6 s (chatdb readers' reports), a replaced one later. */
const PREVIEW_WINDOW_S = 60;

const LINK = /^(?:https?:\/\/|www\.)\S+$/i;
/** What separates a link from other words, or stands for a file between them. */
const BETWEEN_WORDS = /[\s\uFFFC\uFFFD]+/;
const AFTER_LINK = /[.,;:!?)\]}>"'/]+$/;

/** Compares a row with the earlier ones of its conversation. A query takes microseconds, and few rows need one. */
export class DuplicateFinder {
  readonly #directory: ChatDirectory;
  readonly #selectNear: (...parameters: SqlValue[]) => MessageRow[];
  readonly #findChats: ChatFinder;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.#findChats = chatFinder(database);
    const rows = hasDateIndex(database) ? "ROWID < ?3" : `ROWID BETWEEN ?3 - ${ROWS_BEFORE} AND ?3 - 1`;
    this.#selectNear = MESSAGE_ROWS.prepare(database, `message WHERE date BETWEEN ?1 AND ?2 AND ${rows}`);
  }

  /** Why a row of `conversation` repeats an earlier one; null when it does not. */
  reasonOf(row: MessageRow, conversation: Conversation): SkipReason | null {
    if (this.#directory.isSelfChat(conversation) && this.#isSecondTwin(row, conversation)) {
      return "self_chat_twin";
    }
    return isLinkPreview(row) && this.#isRepeatedLink(row, conversation) ? "link_preview" : null;
  }

  /**
   * True when the row repeats an earlier one of its self-chat: Messages writes each note to oneself as one row sent and
   * one received. Twins differ in guid and direction, not in text. The same words noted twice are two pairs: a row is a
   * repeat only while there are more earlier rows of the other direction than of its own.
   */
  #isSecondTwin(row: MessageRow, conversation: Conversation): boolean {
    const { text } = messageTextOf(row);
    let surplus = 0;
    for (const near of this.#near(row, { conversation, windowS: TWIN_WINDOW_S })) {
      const isSame = near.associatedType === row.associatedType && messageTextOf(near).text === text;
      if (isSame) surplus += near.isFromMe === row.isFromMe ? -1 : 1;
    }
    return surplus > 0;
  }

  /**
   * True when a preview shows only a link that the same person has just sent in an earlier row. A preview whose link is
   * in no earlier row is a message: macOS may remove the link from the words.
   */
  #isRepeatedLink(row: MessageRow, conversation: Conversation): boolean {
    const link = messageTextOf(row).text.trim();
    if (!LINK.test(link)) return false;
    return this.#near(row, { conversation, windowS: PREVIEW_WINDOW_S }).some((near) =>
      !near.isSystem && near.associatedType === ASSOCIATED.none && isSameSender(near, row) &&
      linksIn(messageTextOf(near).text).includes(bareLink(link))
    );
  }

  /** The earlier rows of `conversation` dated at most `windowS` seconds from the row; none for a row without a date. */
  #near(row: MessageRow, options: { conversation: Conversation; windowS: number }): MessageRow[] {
    const { conversation, windowS } = options;
    if (typeof row.date !== "bigint" || row.date === 0n) return [];
    const window = BigInt(windowS) * (isNanoseconds(row.date) ? NANOSECONDS_PER_S : 1n);
    return this.#selectNear(row.date - window, row.date + window, row.rowId)
      .filter((near) => this.#conversationOf(near) === conversation);
  }

  #conversationOf({ rowId }: MessageRow): Conversation | null {
    return this.#directory.conversation(this.#findChats(rowId, rowId).get(rowId) ?? null);
  }
}

function hasDateIndex(database: ChatDatabase): boolean {
  return database.prepare(`
    SELECT 1 FROM pragma_index_list('message') AS list JOIN pragma_index_info(list.name) AS part
    WHERE part.seqno = 0 AND part.name = 'date' AND NOT list.partial`)().length > 0;
}

function isSameSender(a: MessageRow, b: MessageRow): boolean {
  return a.isFromMe === b.isFromMe && (a.isFromMe || a.handleId === b.handleId);
}

function linksIn(text: string): string[] {
  return text.split(BETWEEN_WORDS).filter((word) => LINK.test(word)).map(bareLink);
}

function bareLink(link: string): string {
  return link.replace(AFTER_LINK, "");
}
