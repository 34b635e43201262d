/** Owns the files of messages: one query for a whole range of rows. */
import type { ChatDatabase } from "../file/chat_database.ts";
import type { MessageAttachment } from "./chat_message.ts";
import { selectList } from "../file/schema.ts";
import { integerOf, type Query, type SqlRow, textOf, wordsOf } from "../file/sql_value.ts";

const COLUMNS = ["guid", "mime_type", "transfer_name", "filename", "total_bytes", "is_sticker"];

/** Previews of links and app balloons, which Messages keeps as files; hide_attachment does not tell them. */
const PREVIEW_SUFFIX = ".pluginPayloadAttachment";

/** Finds the files of all messages from one ROWID to another, by ROWID, in the order they were added. */
export type AttachmentFinder = (firstRowId: number, lastRowId: number) => Map<number, MessageAttachment[]>;

/** Prepares the search; a database without attachments yields none. */
export function attachmentFinder(database: ChatDatabase): AttachmentFinder {
  const { schema } = database;
  if (!schema.has("attachment") || !schema.has("message_attachment_join")) return () => new Map();
  const select = database.prepare(`
    SELECT message_id, ${selectList(schema, { table: "attachment", columns: COLUMNS })}
    FROM message_attachment_join JOIN attachment ON attachment.ROWID = attachment_id
    WHERE message_id BETWEEN ? AND ? ORDER BY message_id, attachment_id`);
  return (firstRowId, lastRowId) => groupByMessage(select, [firstRowId, lastRowId]);
}

function groupByMessage(
  select: Query,
  [firstRowId, lastRowId]: [number, number],
): Map<number, MessageAttachment[]> {
  const byMessage = new Map<number, MessageAttachment[]>();
  for (const row of select(firstRowId, lastRowId)) {
    const attachment = attachmentOf(row);
    if (attachment === null) continue;
    const messageRowId = integerOf(row[0]);
    const known = byMessage.get(messageRowId);
    if (known) known.push(attachment);
    else byMessage.set(messageRowId, [attachment]);
  }
  return byMessage;
}

function attachmentOf(row: SqlRow): MessageAttachment | null {
  const guid = textOf(row[1]);
  const name = wordsOf(row[3]) ?? wordsOf(row[4])?.split("/").at(-1) ?? null;
  if (guid === null || name?.endsWith(PREVIEW_SUFFIX)) return null;
  const sizeBytes = integerOf(row[5]);
  return {
    guid,
    mimeType: textOf(row[2]),
    name: name || null,
    sizeBytes: sizeBytes > 0 ? sizeBytes : null,
    isSticker: integerOf(row[6]) !== 0,
  };
}
