/** Owns the doubles of notes to oneself: Messages writes each as one row sent and one received. */
import { isNanoseconds } from "./apple_time.ts";
import type { ChatDatabase } from "./chat_database.ts";
import type { ChatDirectory } from "./chat_directory.ts";
import type { Conversation } from "./conversation.ts";
import { type ChatFinder, chatFinder } from "./message_chats.ts";
import { type MessageRow, messageRowColumns, messageRowOf } from "./message_row.ts";
import { messageTextOf } from "./message_text.ts";
import type { Query } from "./sql_value.ts";

/** How far apart the two rows are dated at most (chatdb readers' reports: under 2 s). */
const TWIN_WINDOW_S = 2n;
const NANOSECONDS_PER_S = 1_000_000_000n;

/** Tells the second row of a pair of twins from a first one. Twins differ in guid and direction, not in text. */
export class TwinFinder {
  readonly #directory: ChatDirectory;
  readonly #selectNear: Query;
  readonly #findChats: ChatFinder;

  constructor(database: ChatDatabase, directory: ChatDirectory) {
    this.#directory = directory;
    this.#findChats = chatFinder(database);
    this.#selectNear = database.prepare(
      `SELECT ${messageRowColumns(database.schema)} FROM message WHERE date BETWEEN ? AND ? AND ROWID < ?`,
    );
  }

  /**
   * True when `row` repeats an earlier row of its self-chat `conversation`. The same words noted twice are two pairs:
   * a row is a repeat only while there are more earlier rows of the other direction than of its own.
   */
  isSecondTwin(row: MessageRow, conversation: Conversation): boolean {
    if (typeof row.date !== "bigint") return false;
    const window = isNanoseconds(row.date) ? TWIN_WINDOW_S * NANOSECONDS_PER_S : TWIN_WINDOW_S;
    const { text } = messageTextOf(row);
    let surplus = 0;
    for (const near of this.#selectNear(row.date - window, row.date + window, row.rowId).map(messageRowOf)) {
      const isSame = near.associatedType === row.associatedType && messageTextOf(near).text === text &&
        this.#conversationOf(near) === conversation;
      if (isSame) surplus += near.isFromMe === row.isFromMe ? -1 : 1;
    }
    return surplus > 0;
  }

  #conversationOf({ rowId }: MessageRow): Conversation | null {
    return this.#directory.conversation(this.#findChats(rowId, rowId).get(rowId) ?? null);
  }
}
