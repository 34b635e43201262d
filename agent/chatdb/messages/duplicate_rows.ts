/** Recognises rows that repeat an earlier one: the preview of a link, and the second row of a note to oneself. */
import { domainToUnicode } from "node:url";
import type { ChatDatabase } from "../file/chat_database.ts";
import type { ChatDirectory } from "../chats/chat_directory.ts";
import type { Conversation } from "../chats/conversation.ts";
import { type ChatFinder, chatFinder, chatOfMessage } from "../chats/message_chats.ts";
import { ASSOCIATED, isLinkPreview, type SkipReason } from "./message_class.ts";
import { MESSAGE_ROWS, type MessageRow } from "./message_row.ts";
import { messageTextOf } from "../body/message_text.ts";
import { isNanoseconds, type SqlValue } from "../file/sql_value.ts";

const NANOSECONDS_PER_S = 1_000_000_000n;
/** Without an index by date, the most rows looked at beside one: what belongs together is written together. */
const ROWS_NEAR = 500;
/** How far apart the two rows of a note to oneself are dated at most (chatdb readers' reports: under 2 s). */
const TWIN_WINDOW_S = 2;
/** The preview has been seen to follow within 6 s (chatdb readers' reports), a replaced one later. */
const PREVIEW_WINDOW_S = 60;

const LINK = /^(?:https?:\/\/|www\.)\S+$/i;
/** People write a link with or without these. */
const BEFORE_LINK = /^(?:https?:\/\/)?(?:www\.)?/i;
const AFTER_LINK = /[.,;:!?)\]}>"'/\p{Script=Han}\p{Ps}\p{Pe}\p{Pi}\p{Pf}，。；：！？、]+$/u;
/** What would make it another link: a longer host before it, a longer path behind it. */
const GOES_BEFORE = /[\p{Script=Latin}\p{N}@_.-]$/u;
const GOES_ON = /^(?:[\p{Script=Latin}\p{N}_~%&=#@+-]|[/.:?](?=[\p{Script=Latin}\p{N}_~%&=#@+-]))/u;

interface NearOptions {
  conversation: Conversation;
  windowS: number;
  select?: (...parameters: SqlValue[]) => MessageRow[];
}

/** Compares a row with the earlier ones of its conversation. A query takes microseconds, and few rows need one. */
export class DuplicateFinder {
  readonly #directory: ChatDirectory;
  readonly #selectNear: (...parameters: SqlValue[]) => MessageRow[];
  readonly #selectLater: (...parameters: SqlValue[]) => MessageRow[];
  readonly #findChats: ChatFinder;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.#findChats = chatFinder(database);
    const [before, after] = hasDateIndex(database)
      ? ["ROWID < ?3", "ROWID > ?3"]
      : [`ROWID BETWEEN ?3 - ${ROWS_NEAR} AND ?3 - 1`, `ROWID BETWEEN ?3 + 1 AND ?3 + ${ROWS_NEAR}`];
    this.#selectNear = MESSAGE_ROWS.prepare(database, `message WHERE date BETWEEN ?1 AND ?2 AND ${before}`);
    this.#selectLater = MESSAGE_ROWS.prepare(database, `message WHERE date BETWEEN ?1 AND ?2 AND ${after}`);
  }

  /** Why a row of `conversation` repeats an earlier one; null when it does not. */
  reasonOf(
    row: MessageRow,
    { conversation, text }: { conversation: Conversation; text: string },
  ): SkipReason | null {
    if (this.#directory.isSelfChat(conversation) && this.#isSecondTwin(row, conversation)) {
      return "self_chat_twin";
    }
    return isLinkPreview(row) && this.#isRepeatedLink(row, { conversation, link: text.trim() })
      ? "link_preview"
      : null;
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
   * True when a preview shows only a link that the same person has sent in an earlier row, or in words that Messages wrote
   * after the preview. A preview whose link is in no other row is a message: macOS may remove the link from the words.
   */
  #isRepeatedLink(
    row: MessageRow,
    { conversation, link }: { conversation: Conversation; link: string },
  ): boolean {
    if (!LINK.test(link)) return false;
    const options = { conversation, windowS: PREVIEW_WINDOW_S };
    const later = this.#near(row, { ...options, select: this.#selectLater });
    return [...this.#near(row, options), ...later.filter((near) => !isLinkPreview(near))].some((near) =>
      !near.isSystem && !near.isService && near.associatedType === ASSOCIATED.none &&
      isSameSender(near, row) &&
      hasLink(messageTextOf(near).text, link)
    );
  }

  /** The rows of `conversation` before the row, dated at most `windowS` seconds from it; none for one without a date. */
  #near(row: MessageRow, options: NearOptions): MessageRow[] {
    const { conversation, windowS, select = this.#selectNear } = options;
    if (typeof row.date !== "bigint" || row.date === 0n) return [];
    const window = BigInt(windowS) * (isNanoseconds(row.date) ? NANOSECONDS_PER_S : 1n);
    return select(row.date - window, row.date + window, row.rowId)
      .filter((near) => this.#conversationOf(near) === conversation);
  }

  #conversationOf({ rowId, roomName }: MessageRow): Conversation | null {
    const chats = this.#findChats(rowId, rowId).get(rowId);
    return this.#directory.conversation(chatOfMessage({ roomName, chats }, this.#directory));
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

/** Text in which links are spelled in one way: people write letters where addresses have codes for them. */
function plainLinks(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, decoded).replace(/xn--[a-z0-9-]+/gi, (label) => {
    return domainToUnicode(label) || label;
  }).normalize("NFC").toLowerCase();
}

function decoded(codes: string): string {
  try {
    return decodeURIComponent(codes);
  } catch {
    return codes;
  }
}

/** True when a text holds a link, whatever stands around it in whatever script. */
function hasLink(text: string, link: string): boolean {
  const words = plainLinks(text);
  const wanted = plainLinks(link.replace(BEFORE_LINK, "")).replace(AFTER_LINK, "");
  if (wanted === "") return false;
  for (let at = words.indexOf(wanted); at >= 0; at = words.indexOf(wanted, at + 1)) {
    const before = words.slice(Math.max(0, at - 12), at).replace(/(?:https?:\/\/)?(?:www\.)?$/, "");
    if (!GOES_BEFORE.test(before) && !GOES_ON.test(words.slice(at + wanted.length))) return true;
  }
  return false;
}
