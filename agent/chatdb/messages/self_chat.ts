/** Owns the doubles of notes to oneself: Messages writes each as one row sent and one received. */
import type { Conversation } from "../chats/conversation.ts";
import type { EarlierRows } from "./earlier_rows.ts";
import type { MessageRow } from "./message_row.ts";
import { messageTextOf } from "../body/message_text.ts";

/** How far apart the two rows are dated at most (chatdb readers' reports: under 2 s). */
const TWIN_WINDOW_S = 2;

/**
 * True when `row` repeats an earlier row of its self-chat `conversation`. Twins differ in guid and direction, not in
 * text. The same words noted twice are two pairs: a row is a repeat only while there are more earlier rows of the other
 * direction than of its own.
 */
export function isSecondTwin(
  row: MessageRow,
  { conversation, earlier }: { conversation: Conversation; earlier: EarlierRows },
): boolean {
  const { text } = messageTextOf(row);
  let surplus = 0;
  for (const near of earlier.near(row, { conversation, windowS: TWIN_WINDOW_S })) {
    const isSame = near.associatedType === row.associatedType && messageTextOf(near).text === text;
    if (isSame) surplus += near.isFromMe === row.isFromMe ? -1 : 1;
  }
  return surplus > 0;
}
