// Checks the records of edited and unsent rows, and the reading of `message_summary_info`.
import assert from "node:assert/strict";
import { editMessage, unsendMessage } from "../../../tests/support/chat_db/edits.ts";
import type { ChatDb, Message } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { encodePlist, type PlistValue, Real } from "../../../tests/support/chat_db/binary_plist_writer.ts";
import { addAttachmentMessage } from "../../../tests/support/chat_db/rows.ts";
import { readAll, readOne, skippedOf } from "../../../tests/support/chat_db/read_chat_db.ts";
import { editHistoryOf } from "./edit_history.ts";

const AT = "2024-06-01T12:00:00.250Z";
const LATER = "2024-06-01T12:05:00.750Z";
const ANA = "+15550100001";
const PHOTO = { name: "a.png", mimeType: "image/png" };

function addPlain(db: ChatDb, text: string, identifier = ANA): Message {
  return db.addMessage({ chat: db.addChat({ identifier }), from: identifier, sentAt: AT, text });
}

function setColumns(db: ChatDb, { rowId }: Message, set: Record<string, null | number | Uint8Array>): void {
  db.store.update("message", { rowId, set });
}

function historyOf(info: PlistValue) {
  return editHistoryOf(encodePlist(info));
}

Deno.test("an edit without a timestamp has the time of its last version", () => {
  const message = readOne((db) => {
    const edited = addPlain(db, "befor");
    editMessage(db, { message: edited, at: "2024-06-01T12:01:00Z", text: "befoer", setDateEdited: false });
    editMessage(db, { message: edited, at: LATER, text: "before", setDateEdited: false });
  });
  assert.equal(message.text, "before");
  assert.equal(message.editedAtMs, Date.parse(LATER));
  assert.equal(message.changedAtMs, null);
});

Deno.test("a change of only the formatting is an edit with the same words", () => {
  const message = readOne((db) => {
    const parts = [{ text: "Test", attributes: { __kIMTextStrikethroughAttributeName: 1 } }];
    editMessage(db, { message: addPlain(db, "Test"), at: LATER, parts });
  });
  assert.deepEqual([message.text, message.editedAtMs], ["Test", Date.parse(LATER)]);
});

Deno.test("a message with every part listed as unsent is unsent, whatever its part count", () => {
  for (const part_count of [0, 1, null]) {
    const message = readOne((db) => {
      const unsent = addPlain(db, "oops");
      unsendMessage(db, { message: unsent, at: LATER });
      setColumns(db, unsent, { part_count });
    });
    assert.deepEqual([message.text, message.editedAtMs, message.retractedAtMs], [
      null,
      null,
      Date.parse(LATER),
    ]);
  }
});

Deno.test("a row without words or parts that was never unsent is empty", () => {
  const batch = readAll((db) => {
    setColumns(db, addPlain(db, ""), { part_count: 0, date_edited: 0 });
  });
  assert.deepEqual(skippedOf(batch), { empty: 1 });
});

Deno.test("a file unsent from a message is dropped, and the others stay", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const common = { chat, from: ANA, sentAt: AT };
    const captioned = addAttachmentMessage(db, { ...common, files: [PHOTO], caption: "look" });
    unsendMessage(db, { message: captioned, at: LATER, parts: [0] });
    const files = [PHOTO, { ...PHOTO, name: "b.png" }, { ...PHOTO, name: "c.png" }];
    unsendMessage(db, { message: addAttachmentMessage(db, { ...common, files }), at: LATER, parts: [1] });
    const words = addAttachmentMessage(db, { ...common, files: [PHOTO], caption: "look" });
    unsendMessage(db, { message: words, at: LATER, parts: [1] });
  });
  assert.deepEqual(
    messages.map(({ kind, text, attachments, retractedAtMs }) => [
      kind,
      text,
      attachments.map(({ name }) => name).join(),
      retractedAtMs,
    ]),
    [
      ["text", "look", "", null],
      ["attachment", null, "a.png,c.png", null],
      ["attachment", null, "a.png", null],
    ],
  );
});

Deno.test("a damaged summary changes nothing, nor does one that records no edit", () => {
  const { messages } = readAll((db) => {
    const damaged = addPlain(db, "a");
    editMessage(db, { message: damaged, at: LATER, text: "b" });
    // The keys are there, so that the summary is looked at.
    setColumns(db, damaged, { message_summary_info: new TextEncoder().encode("bplist00Rec Rrp") });
    setColumns(db, addPlain(db, "c", "bo@example.com"), {
      message_summary_info: encodePlist({ amc: 1, ust: true }),
    });
  });
  assert.deepEqual(messages.map(({ text, editedAtMs }) => [text, editedAtMs]), [
    ["b", Date.parse(LATER)],
    ["c", null],
  ]);
});

Deno.test("a summary with unexpected contents is read as far as it makes sense", () => {
  assert.equal(historyOf({}), null);
  assert.equal(historyOf([1, 2]), null);
  assert.equal(historyOf({ ec: "x", rp: 3, otr: [] }), null);
  assert.equal(historyOf({ ec: { 0: [{ d: new Real(1) }] } }), null, "the original alone is no edit");
  assert.equal(historyOf({ ec: { 0: [1, { d: "x" }, { d: new Real(NaN) }] } }), null);
  assert.deepEqual(historyOf({ rp: [0] }), {
    editedAtMs: null,
    hasRetractedParts: true,
    isFullyRetracted: false,
  });
  const seconds = (Date.parse(LATER) - Date.parse("2001-01-01T00:00:00Z")) / 1_000;
  const versions = [{ d: new Real(1) }, { d: new Real(seconds) }, { d: new Real(2) }];
  assert.equal(historyOf({ ec: { 1: versions }, ep: [1] })?.editedAtMs, Date.parse(LATER));
});
