/** Owns reading the owner's own newest messages of some chats: what was sent, and what became of it. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { messageTextOf } from "../body/message_text.ts";
import { selectList } from "../file/schema.ts";
import { bytesOf, integerOf, textOf, wordsOf } from "../file/sql_value.ts";

/** A message of the owner as Messages keeps book of it. */
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

/** Columns in the order of `readSentMessages`. */
const COLUMNS = [
  "ROWID",
  "text",
  "attributedBody",
  "service",
  "is_sent",
  "is_delivered",
  "date_delivered",
  "error",
];

/** Reads the owner's messages of `chatIds` after a row, oldest first. Notes of the system and tapbacks are left out. */
export function readSentMessages(
  database: ChatDatabase,
  { chatIds, afterRowId }: { chatIds: readonly number[]; afterRowId: number },
): SentMessage[] {
  const { schema } = database;
  const isPlain = ["item_type", "associated_message_type"]
    .filter((column) => schema.get("message")?.has(column))
    .map((column) => `AND COALESCE(message.${column}, 0) = 0`).join(" ");
  const select = database.prepare(`
    SELECT DISTINCT ${selectList(schema, { table: "message", columns: COLUMNS })}
    FROM message JOIN chat_message_join ON chat_message_join.message_id = message.ROWID
    WHERE message.ROWID > ? AND message.is_from_me = 1 ${isPlain}
      AND chat_message_join.chat_id IN (${chatIds.map(() => "?").join()})
    ORDER BY message.ROWID`);
  return select(afterRowId, ...chatIds).map((row) => ({
    rowId: integerOf(row[0]),
    text: messageTextOf({ text: wordsOf(row[1]), attributedBody: bytesOf(row[2]) }).text,
    service: textOf(row[3]),
    isSent: integerOf(row[4]) !== 0,
    isDelivered: integerOf(row[5]) !== 0 || integerOf(row[6]) !== 0,
    error: integerOf(row[7]),
  }));
}
