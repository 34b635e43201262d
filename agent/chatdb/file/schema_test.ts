// Checks that every schema which a chat.db can have gives the same records: each release, upgrades, backups.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Generation, GENERATIONS, isAtLeast } from "../../../tests/support/chat_db/ddl.ts";
import type { ChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addAttachmentMessage } from "../../../tests/support/chat_db/rows.ts";
import { minutesFromNow, readAll } from "../../../tests/support/chat_db/read_chat_db.ts";
import { ChatDatabase } from "./chat_database.ts";
import type { MessageBatch } from "../messages/message_reader.ts";
import { MessageReader } from "../messages/message_reader.ts";

const AT = "2024-06-01T12:00:00.250Z";
const ANA = "+15550100001";
const BO = "bo@example.com";
const ME = "+15550100000";

/** A direct chat and a group, words and a file, both directions. */
function writeMixture(db: ChatDb): void {
  const direct = db.addChat({ identifier: ANA });
  const group = db.addChat({
    identifier: "chat42",
    groupId: "GROUP",
    displayName: "Trip",
    participants: [ANA, BO],
  });
  db.addMessage({ chat: direct, from: ANA, sentAt: AT, text: "from Ana" });
  db.addMessage({ chat: direct, from: "me", sentAt: AT, text: "from me" });
  db.addMessage({ chat: group, from: BO, sentAt: AT, text: "from Bo" });
  addAttachmentMessage(db, {
    chat: group,
    from: "me",
    sentAt: AT,
    files: [{ name: "map.png", mimeType: "image/png", sizeBytes: 12 }],
  });
}

function assertMixture({ messages }: MessageBatch, generation: Generation): void {
  const sentAtMs = isAtLeast(generation, "high_sierra") ? Date.parse(AT) : Date.parse("2024-06-01T12:00:00Z");
  assert.deepEqual(
    messages.map(({ conversation, direction, sender, ownAlias, kind, text, attachments, ...rest }) => ({
      in: conversation?.id,
      isGroup: conversation?.isGroup,
      direction,
      sender,
      ownAlias,
      kind,
      text,
      files: attachments.map(({ name }) => name),
      sentAtMs: rest.sentAtMs,
    })),
    [
      { in: ANA, isGroup: false, direction: "incoming", sender: ANA, kind: "text", text: "from Ana" },
      { in: ANA, isGroup: false, direction: "outgoing", sender: ME, kind: "text", text: "from me" },
      { in: "GROUP", isGroup: true, direction: "incoming", sender: BO, kind: "text", text: "from Bo" },
      { in: "GROUP", isGroup: true, direction: "outgoing", sender: ME, kind: "attachment", text: null },
    ].map((record, index) => ({ ...record, ownAlias: ME, files: index === 3 ? ["map.png"] : [], sentAtMs })),
  );
}

for (const generation of GENERATIONS) {
  Deno.test(`a database of ${generation} gives the same records as any other`, () => {
    assertMixture(readAll(writeMixture, { generation }), generation);
  });
}

for (const [index, upgradedFrom] of GENERATIONS.slice(0, -1).entries()) {
  Deno.test(`a database of ${upgradedFrom} that was upgraded gives the same records as a fresh one`, () => {
    for (const generation of GENERATIONS.slice(index + 1)) {
      assertMixture(readAll(writeMixture, { generation, upgradedFrom }), generation);
    }
  });
}

for (const generation of GENERATIONS) {
  Deno.test(`a database of ${generation} with messages and handles alone gives orphans`, () => {
    const { messages } = readAll((db) => {
      db.addMessage({ chat: null, from: ANA, sentAt: AT, text: "from Ana" });
      db.addMessage({ chat: null, from: "me", sentAt: AT, text: "from me" });
    }, { generation, tables: "messages" });
    assert.deepEqual(messages.map(({ text, sender, conversation }) => [text, sender, conversation]), [
      ["from Ana", ANA, null],
      ["from me", ME, null],
    ]);
  });
}

Deno.test("a database of messages and handles alone is read, with no more columns than it has", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, "sms.db");
    const writer = new DatabaseSync(path);
    writer.exec(`
      CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT);
      CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, text TEXT, handle_id INTEGER,
        date INTEGER, is_from_me INTEGER);
      INSERT INTO handle (id) VALUES ('${ANA}');
      INSERT INTO message (guid, text, handle_id, date, is_from_me) VALUES ('A', 'hello', 1, 700000000, 0);
      INSERT INTO message (guid, text, handle_id, date, is_from_me) VALUES ('B', 'hi', 1, 700000001, 1)`);
    writer.close();
    using database = new ChatDatabase(path);
    const { messages } = new MessageReader(database).readAfter(0, { nowMs: minutesFromNow(1) });
    assert.deepEqual(messages.map(({ text, sender, conversation }) => [text, sender, conversation]), [
      ["hello", ANA, null],
      ["hi", null, null],
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
