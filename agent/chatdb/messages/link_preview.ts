/** Owns the doubles of links: Messages may write a row for the words and another for the preview of a link in them. */
import type { Conversation } from "../chats/conversation.ts";
import type { EarlierRows } from "./earlier_rows.ts";
import { ASSOCIATED, isLinkPreview } from "./message_class.ts";
import type { MessageRow } from "./message_row.ts";
import { messageTextOf } from "../body/message_text.ts";

/** The preview has been seen to follow within 6 s (chatdb readers' reports), a replaced one later. */
const PREVIEW_WINDOW_S = 60;
const LINK = /^(?:https?:\/\/|www\.)\S+$/i;
/** What separates a link from other words, or stands for a file between them. */
const BETWEEN_WORDS = /[\s\uFFFC\uFFFD]+/;
const AFTER_LINK = /[.,;:!?)\]}>"'/]+$/;

/**
 * True when `row` shows only the preview of a link that the same person has just sent in an earlier row. A preview whose
 * link no earlier row has is a message: macOS may take the link out of the words.
 */
export function isRepeatedLink(
  row: MessageRow,
  { conversation, earlier }: { conversation: Conversation; earlier: EarlierRows },
): boolean {
  if (!isLinkPreview(row)) return false;
  const link = messageTextOf(row).text.trim();
  if (!LINK.test(link)) return false;
  return earlier.near(row, { conversation, windowS: PREVIEW_WINDOW_S }).some((near) =>
    !near.isSystem && near.associatedType === ASSOCIATED.none && isSameSender(near, row) &&
    linksIn(messageTextOf(near).text).includes(bareLink(link))
  );
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
