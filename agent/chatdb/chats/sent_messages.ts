/** Reads the newest messages that the owner sent in some chats, and whether they were delivered. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { messageTextOf } from "../body/message_text.ts";
import { column, flag, rowTable } from "../file/schema.ts";
import { bytesOf, integerOf, textOf, wordsOf } from "../file/sql_value.ts";

/** A message of the owner, with its delivery as Messages records it. */
export interface SentMessage {
  readonly rowId: number;
  /** The decoded words; '' for none. */
  readonly text: string;
  readonly service: string | null;
  readonly isSent: boolean;
  readonly isDelivered: boolean;
  /** 0 for none; 22 for "not delivered" (chat.db readers' reports). */
  readonly error: number;
}

const SENT_ROWS = rowTable("message", {
  rowId: column("ROWID", integerOf),
  text: column("text", wordsOf),
  attributedBody: column("attributedBody", bytesOf),
  service: column("service", textOf),
  error: column("error", integerOf),
  isSent: flag("is_sent"),
  isDelivered: flag("is_delivered", "date_delivered"),
});

/** Reads the owner's messages of `chatIds` after a row, oldest first. Notes of the system and tapbacks are left out. */
export function readSentMessages(
  database: ChatDatabase,
  { chatIds, afterRowId }: { chatIds: readonly number[]; afterRowId: number },
): SentMessage[] {
  const { schema } = database;
  const isPlain = ["item_type", "associated_message_type"]
    .filter((column) => schema.get("message")?.has(column))
    .map((column) => `AND COALESCE(message.${column}, 0) = 0`).join(" ");
  const select = SENT_ROWS.prepare(
    database,
    `message WHERE ROWID > ? AND is_from_me = 1 ${isPlain}
       AND ROWID IN (SELECT message_id FROM chat_message_join WHERE chat_id IN (${
      chatIds.map(() => "?").join()
    }))
     ORDER BY ROWID`,
  );
  return select(afterRowId, ...chatIds).map(({ text, attributedBody, ...row }) => ({
    ...row,
    text: messageTextOf({ text, attributedBody }).text,
  }));
}
