// Checks the files of messages: their names in every form Messages writes, previews left out, files that are not here.
import assert from "node:assert/strict";
import type { ChatDb, Row } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addAttachmentMessage } from "../../../tests/support/chat_db/rows.ts";
import { readAll, readOne } from "../../../tests/support/chat_db/read_chat_db.ts";

const AT = "2024-06-01T12:00:00.250Z";
const ANA = "+15550100001";

/** A message with one file whose row holds `columns`. */
function addFile(db: ChatDb, columns: Row): void {
  const chat = db.addChat({ identifier: ANA });
  addAttachmentMessage(db, {
    chat,
    from: ANA,
    sentAt: AT,
    files: [{ name: "IMG_1.HEIC", mimeType: "image/heic" }],
  });
  db.store.update("attachment", { rowId: 1, set: columns });
}

Deno.test("a file has the name under which it was sent, else that of its path, else none", () => {
  const names: [Row, string | null][] = [
    [{ transfer_name: "a b.pdf", filename: "~/Library/Messages/Attachments/00/x.pdf" }, "a b.pdf"],
    [{ transfer_name: null, filename: "~/Library/Messages/Attachments/00/x.pdf" }, "x.pdf"],
    [{ transfer_name: "", filename: "/var/folders/zz/T/com.apple.MobileSMS/y.pdf" }, "y.pdf"],
    [{ transfer_name: null, filename: null }, null],
  ];
  for (const [columns, expected] of names) {
    const [file] = readOne((db) => addFile(db, columns)).attachments;
    assert.equal(file?.name, expected);
    assert.equal(file?.guid, "at_0_" + readOne((db) => addFile(db, columns)).guid);
  }
});

Deno.test("a file that has not been fetched yet is listed", () => {
  for (const transfer_state of [0, 3, 5]) {
    const { kind, attachments } = readOne((db) =>
      addFile(db, { transfer_state, filename: null, total_bytes: 0 })
    );
    assert.equal(kind, "attachment");
    assert.deepEqual(attachments.map(({ name, sizeBytes }) => [name, sizeBytes]), [["IMG_1.HEIC", null]]);
  }
});

Deno.test("hide_attachment excludes no file, and previews are recognised by their file extension", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const preview = { name: "5F2C.pluginPayloadAttachment", mimeType: "image/png" };
    const files = [{ name: "a.png", mimeType: "image/png" }, preview];
    addAttachmentMessage(db, { chat, from: ANA, sentAt: AT, files, caption: "https://example.test" });
    db.store.run("UPDATE attachment SET hide_attachment = 1");
  });
  assert.deepEqual(messages[0]?.attachments.map(({ name }) => name), ["a.png"]);
});
