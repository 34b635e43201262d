/** Owns which chats nothing is sent to, because Messages would lose the text or put it somewhere else. */
import type { ReplyChat } from "../../chatdb/chats/message_chats.ts";

/** Identifiers of business chats, which scripts cannot write to (mautrix#184). */
const BUSINESS_PREFIX = "urn:biz:";
/** Identifiers of groups. */
const GROUP_IDENTIFIER = /^chat\d+$/;
/** The mark of a chat of two in a guid. */
const DIRECT_MARK = ";-;";

/** Why nothing may be sent there, as a sentence; null when it may. */
export function replyRefusal(target: ReplyChat | null): string | null {
  if (target === null || target.chat.guid === "") {
    return "The message that the draft answers is no longer in a chat of this Mac's Messages: reply there yourself";
  }
  const { guid, identifier } = target.chat;
  const address = identifier ?? guid.split(";").at(-1) ?? "";
  if (address.startsWith(BUSINESS_PREFIX)) {
    return "Chats with businesses cannot be written to by scripts: reply in Messages itself";
  }
  const isGroup = target.isGroup || GROUP_IDENTIFIER.test(address);
  if (isGroup && guid.includes(DIRECT_MARK)) {
    // macOS 26 reports success for such a guid, and writes an empty message that nobody gets (imsg#90).
    return "Messages would lose a text for this group: reply in Messages itself";
  }
  return null;
}
