/** Finds the files of messages: one query for a range of rows. */
import type { ChatDatabase } from "../file/chat_database.ts";
import { column, expression, flag, type RowOf, rowTable } from "../file/schema.ts";
import { integerOf, textOf, wordsOf } from "../file/sql_value.ts";

/** A file of a message; previews that Messages itself draws are left out. */
export interface MessageAttachment {
  guid: string;
  mimeType: string | null;
  /** The name under which it was sent. */
  name: string | null;
  sizeBytes: number | null;
  isSticker: boolean;
  /** What an emoji that was drawn for the message shows, in words. */
  description?: string;
}

const ATTACHMENT_ROWS = rowTable("attachment", {
  messageId: expression(() => "message_id", integerOf),
  guid: column("guid", textOf),
  mimeType: column("mime_type", textOf),
  transferName: column("transfer_name", wordsOf),
  path: column("filename", wordsOf),
  sizeBytes: column("total_bytes", integerOf),
  description: column("emoji_image_short_description", wordsOf),
  isSticker: flag("is_sticker"),
});

/** Previews of links and app balloons, which Messages stores as files; hide_attachment does not mark them. */
const PREVIEW_SUFFIX = ".pluginPayloadAttachment";

/** Finds the files of all messages from one ROWID to another, by ROWID, in the order they were added. */
export type AttachmentFinder = (firstRowId: number, lastRowId: number) => Map<number, MessageAttachment[]>;

/** Prepares the search; a database without attachments yields none. */
export function attachmentFinder(database: ChatDatabase): AttachmentFinder {
  if (!database.schema.has("message_attachment_join")) return () => new Map();
  const select = ATTACHMENT_ROWS.prepare(
    database,
    `message_attachment_join JOIN attachment ON attachment.ROWID = attachment_id
     WHERE message_id BETWEEN ? AND ? ORDER BY message_id, attachment_id`,
  );
  return (firstRowId, lastRowId) => {
    const byMessage = new Map<number, MessageAttachment[]>();
    for (const row of select(firstRowId, lastRowId)) {
      const attachment = attachmentOf(row);
      if (attachment === null) continue;
      const known = byMessage.get(row.messageId);
      if (known) known.push(attachment);
      else byMessage.set(row.messageId, [attachment]);
    }
    return byMessage;
  };
}

function attachmentOf(row: RowOf<typeof ATTACHMENT_ROWS>): MessageAttachment | null {
  const { guid, mimeType, sizeBytes, isSticker, description } = row;
  const name = row.transferName ?? row.path?.split("/").at(-1) ?? null;
  if (guid === null || name?.endsWith(PREVIEW_SUFFIX)) return null;
  return {
    guid,
    mimeType,
    name: name || null,
    sizeBytes: sizeBytes > 0 ? sizeBytes : null,
    isSticker,
    ...(description === null ? {} : { description }),
  };
}
