// Checks that a link sent once is one message, although Messages writes a row for the words and one for the preview.
import assert from "node:assert/strict";
import type { ChatDb, Message, MessageOptions } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addAppMessage } from "../../../tests/support/chat_db/rows.ts";
import { readAll, skippedOf, textsOf } from "../../../tests/support/chat_db/read_chat_db.ts";

const AT = Date.parse("2024-06-01T12:00:00.250Z");
const ANA = "+15550100001";
const BO = "bo@example.com";
const LINK = "https://example.test/a?b=1";

function seconds(offset: number): Date {
  return new Date(AT + offset * 1_000);
}

function addPreview(db: ChatDb, options: Omit<MessageOptions, "from"> & { from?: string }): Message {
  return addAppMessage(db, { from: ANA, ...options, bundleId: "com.apple.messages.URLBalloonProvider" });
}

Deno.test("the preview of a link that the same person has just written is skipped", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: seconds(0), text: `look: ${LINK}, nice` });
    addPreview(db, { chat, sentAt: seconds(6), text: LINK });
    db.addMessage({ chat, from: "me", sentAt: seconds(100), text: "https://example.test/" });
    addPreview(db, { chat, from: "me", sentAt: seconds(101), text: "https://example.test" });
  });
  assert.deepEqual(textsOf(batch), [`look: ${LINK}, nice`, "https://example.test/"]);
  assert.deepEqual(skippedOf(batch), { link_preview: 2 });
});

Deno.test("duplicates are also found without Messages' index by date, near the row", () => {
  const batch = readAll((db) => {
    db.store.run("DROP INDEX message_idx_date");
    const chat = db.addChat({ identifier: ANA });
    const self = db.addChat({ identifier: db.me });
    db.addMessage({ chat, from: ANA, sentAt: seconds(0), text: LINK });
    db.addSelfChatTwins({ chat: self, sentAt: seconds(2), text: "milk" });
    addPreview(db, { chat, sentAt: seconds(6), text: LINK });
  });
  assert.deepEqual(textsOf(batch), [LINK, "milk"]);
});

Deno.test("a preview that replaces its placeholder is one message", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    addPreview(db, { chat, sentAt: seconds(0), text: LINK });
    addPreview(db, { chat, sentAt: seconds(1), text: LINK });
  });
  assert.deepEqual(textsOf(batch), [LINK]);
});

Deno.test("a link that macOS has removed from the words is a message of its own", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: seconds(0), text: "look" });
    addPreview(db, { chat, sentAt: seconds(1), text: LINK });
  });
  assert.deepEqual(textsOf(batch), ["look", LINK]);
});

Deno.test("another link, another person, another chat and a later time are messages", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: "chat9", participants: [ANA, BO] });
    const other = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: seconds(0), text: `${LINK}&c=2` });
    addPreview(db, { chat, sentAt: seconds(1), text: LINK });
    addPreview(db, { chat, from: BO, sentAt: seconds(2), text: LINK });
    addPreview(db, { chat, from: "me", sentAt: seconds(3), text: LINK });
    addPreview(db, { chat: other, sentAt: seconds(4), text: LINK });
    addPreview(db, { chat, sentAt: seconds(90), text: LINK });
    addPreview(db, { chat, sentAt: seconds(91), text: "see it" });
    addPreview(db, { chat, sentAt: seconds(92), text: "see it" });
  });
  assert.equal(batch.messages.length, 8);
});
