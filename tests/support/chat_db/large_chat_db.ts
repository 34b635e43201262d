/** Fills a chat.db with long messages and with the heavy content of apps that no reader needs, to any size. */
import { createChatDb } from "./chat_db_fixture.ts";
import { addAppMessage } from "./rows.ts";

const PERSON = "+15550100001";
const AT = "2024-06-01T12:00:00Z";
const PAYLOAD_BYTES = 400_000;
/** Of these rows, one carries a payload and the others long texts. */
const ROWS_PER_PAYLOAD = 5;
const TEXT = "A long message that somebody has pasted. ".repeat(500);
const ROWS_AT_ONCE = 200;

/** Writes the database and closes it; returns how many messages it holds. */
export function largeChatDb(path: string, { sizeBytes }: { sizeBytes: number }): number {
  using db = createChatDb(path, { bulk: true });
  const chat = db.addChat({ identifier: PERSON });
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(7);
  let messages = 0;
  while (messages % ROWS_AT_ONCE !== 0 || Deno.statSync(path).size < sizeBytes) {
    const common = { chat, from: PERSON, sentAt: AT };
    if (messages % ROWS_PER_PAYLOAD === 0) {
      addAppMessage(db, { ...common, bundleId: "com.example.game", payload });
    } else db.addMessage({ ...common, text: `${messages} ${TEXT}` });
    messages++;
  }
  db.store.endBulk();
  return messages;
}
