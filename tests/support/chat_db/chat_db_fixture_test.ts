// Checks that the chat.db fixture is what it claims: Apple's tables, WAL on disk, bodies and plists others can read.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import { type NSAttributedString, Unarchiver } from "../typedstream/typedstream_oracle.ts";
import { GENERATIONS } from "./ddl.ts";
import { editMessage, unsendMessage } from "./edits.ts";
import { type ChatDb, type ChatDbOptions, createChatDb, type Message } from "./chat_db_fixture.ts";
import { addAttachmentMessage, addSendLater, addSystemRow, addTapback } from "./rows.ts";
import { readWithOracle } from "../typedstream/typedstream_oracle.ts";

const NOON = "2024-06-01T12:00:00.250Z";

interface MessageRow {
  guid: string;
  text: string | null;
  attributedBody: Uint8Array | null;
  message_summary_info: Uint8Array;
  date: bigint;
  [column: string]: unknown;
}

function withDb(options: ChatDbOptions, use: (db: ChatDb, folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    using db = createChatDb(`${folder}/chat.db`, options);
    use(db, folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function rows<T = Record<string, unknown>>(db: ChatDb, sql: string): T[] {
  const statement = db.store.sqlite.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all() as T[];
}

function messageRow(db: ChatDb, message: Message): MessageRow {
  const row = rows<MessageRow>(db, `SELECT * FROM message WHERE ROWID = ${message.rowId}`)[0];
  assert.ok(row);
  return row;
}

function bodyText(row: MessageRow): string {
  assert.ok(row.attributedBody);
  return readWithOracle(row.attributedBody).string;
}

/** One version of an edited part, under the oracle's own names for `d` and `t`. */
interface EditedVersion {
  date: number;
  text: { value: NSAttributedString };
}

/** message_summary_info as node-typedstream reads it: `ec`, `ep`, `rp`, `otr` in words, one part's dictionary unwrapped. */
interface SummaryInfo {
  editedContent: EditedVersion[];
  editedParts: number[];
  retractedParts: number[];
  originalTextRange: [location: number, length: number];
}

function summaryInfo(row: MessageRow): SummaryInfo {
  const [info] = Unarchiver.open(Buffer.from(row.message_summary_info)).decodeAll() as [SummaryInfo];
  return info;
}

Deno.test("every generation makes a valid database with a group and a direct chat", () => {
  for (const generation of GENERATIONS) {
    withDb({ generation }, (db) => {
      const direct = db.addChat({ identifier: "+15550100001" });
      const group = db.addChat({ identifier: "chat1234", participants: ["+15550100001", "bo@example.com"] });
      db.addMessage({ chat: direct, from: "me", text: "hi", sentAt: NOON });
      db.addMessage({ chat: group, from: "bo@example.com", text: "hey", sentAt: NOON });
      assert.deepEqual(rows(db, "PRAGMA integrity_check").map((row) => row.integrity_check), ["ok"]);
      assert.deepEqual(rows(db, "PRAGMA foreign_key_check"), []);
      const read = rows(
        db,
        "SELECT cache_roomnames, chat_id FROM message JOIN chat_message_join ON message_id = ROWID",
      );
      assert.deepEqual(read.map((row) => row.cache_roomnames), [null, "chat1234"]);
      assert.deepEqual(read.map((row) => row.chat_id), [1n, 2n]);
    });
  }
});

Deno.test("columns appear with the generation that brought them", () => {
  const columnsOf = (generation: ChatDbOptions["generation"]) => {
    let names: unknown[] = [];
    withDb({ generation }, (db) => names = rows(db, "PRAGMA table_info(message)").map((row) => row.name));
    return names;
  };
  assert.equal(columnsOf("el_capitan").length, 51);
  assert.ok(!columnsOf("big_sur").includes("date_edited"));
  assert.ok(columnsOf("ventura").includes("date_edited"));
  assert.equal(columnsOf("tahoe").at(-1), "index_state");
});

Deno.test("dates are seconds up to macOS 10.12, nanoseconds after, and can be mixed", () => {
  const seconds = 738936000n;
  withDb({ generation: "sierra" }, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    assert.equal(messageRow(db, db.addMessage({ chat, from: "me", text: "a", sentAt: NOON })).date, seconds);
  });
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const modern = db.addMessage({ chat, from: "me", text: "a", sentAt: NOON });
    const old = db.addMessage({ chat, from: "me", text: "b", sentAt: NOON, dateUnit: "seconds" });
    assert.equal(messageRow(db, modern).date, seconds * 1_000_000_000n + 250_000_000n);
    assert.equal(messageRow(db, old).date, seconds);
    assert.deepEqual(
      rows(db, "SELECT message_date AS d FROM chat_message_join ORDER BY message_id").map((row) => row.d),
      [messageRow(db, modern).date, seconds],
    );
  });
});

Deno.test("the newest rows are in the write-ahead log until a checkpoint, even after the writer is gone", () => {
  withDb({}, (db, folder) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    db.addMessage({ chat, from: "me", text: "hi", sentAt: NOON });
    db.close();
    assert.ok(Deno.statSync(`${folder}/chat.db-wal`).size > 0);
    Deno.copyFileSync(`${folder}/chat.db`, `${folder}/alone.db`);
    const count = (name: string) => {
      const reader = new DatabaseSync(`${folder}/${name}`, { readOnly: true });
      const row = reader.prepare("SELECT count(*) AS n FROM message").get();
      reader.close();
      return row?.n;
    };
    assert.equal(count("chat.db"), 1);
    assert.equal(count("alone.db"), 0);
  });
});

Deno.test("bodies are stored where the caller says", () => {
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const add = (bodyIn: "attributedBody" | "text" | "both") =>
      messageRow(db, db.addMessage({ chat, from: "me", text: "salut 👋", sentAt: NOON, bodyIn }));
    assert.equal(add("attributedBody").text, null);
    assert.equal(bodyText(add("attributedBody")), "salut 👋");
    assert.equal(add("text").attributedBody, null);
    assert.equal(add("both").text, bodyText(add("both")));
  });
});

Deno.test("an edit keeps the row and lists its versions, an unsend names the retracted parts", () => {
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const message = db.addMessage({ chat, from: "me", text: "teh cat", sentAt: NOON, bodyIn: "both" });
    const before = messageRow(db, message);
    editMessage(db, { message, text: "the cat", at: "2024-06-01T12:01:00Z" });
    editMessage(db, { message, text: "the cats", at: "2024-06-01T12:02:00Z" });
    const after = messageRow(db, message);
    assert.deepEqual([after.guid, after.date, after.text], [before.guid, before.date, null]);
    assert.equal(after.date_edited, 738936120n * 1_000_000_000n);
    assert.equal(bodyText(after), "the cats");
    const { editedContent, originalTextRange, editedParts } = summaryInfo(after);
    assert.deepEqual(editedContent.map(({ text }) => text.value.string), ["teh cat", "the cat", "the cats"]);
    assert.deepEqual(editedContent.map(({ date }) => date), [738936000.25, 738936060, 738936120]);
    assert.deepEqual({ originalTextRange, editedParts }, { originalTextRange: [0, 7], editedParts: [0] });

    unsendMessage(db, { message, at: "2024-06-01T12:02:30Z" });
    const unsent = messageRow(db, message);
    assert.deepEqual([unsent.text, unsent.attributedBody, unsent.part_count], [null, null, 0n]);
    assert.ok(!unsent.date_retracted);
    assert.deepEqual(summaryInfo(unsent).retractedParts, [0]);
  });
});

Deno.test("a partial unsend keeps the original part indexes of what is left", () => {
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const parts = ["one", { attachmentGuid: "at_1_X" }, "three"];
    const message = db.addMessage({ chat, from: "me", parts, sentAt: NOON });
    unsendMessage(db, { message, at: NOON, parts: [0, 1] });
    const { attributedBody } = messageRow(db, message);
    assert.ok(attributedBody);
    const left = readWithOracle(attributedBody);
    assert.equal(left.string, "three");
    assert.equal(left.runs[0]?.attributes.__kIMMessagePartAttributeName, 2);
  });
});

Deno.test("tapbacks, attachments, drafts and group events carry the columns that distinguish them", () => {
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "chat77", participants: ["+15550100001"] });
    const message = db.addMessage({ chat, from: "+15550100001", text: "dinner?", sentAt: NOON });
    const love = addTapback(db, { to: message, from: "me", kind: "love", sentAt: NOON });
    assert.equal(messageRow(db, love).associated_message_guid, `p:0/${message.guid}`);
    const removal = addTapback(db, { to: message, from: "me", kind: "love", sentAt: NOON, removes: love });
    assert.equal(messageRow(db, removal).associated_message_type, 3000n);
    assert.deepEqual(rows(db, "SELECT guid FROM deleted_messages").map((row) => row.guid), [love.guid]);

    const files = [{ name: "a.heic", mimeType: "image/heic", sizeBytes: 9 }];
    const photo = messageRow(
      db,
      addAttachmentMessage(db, { chat, from: "me", files, caption: "look", sentAt: NOON }),
    );
    assert.equal(bodyText(photo), "\ufffclook");
    assert.equal(photo.cache_has_attachments, 1n);
    assert.equal(rows(db, "SELECT guid FROM attachment")[0]?.guid, `at_0_${photo.guid}`);

    addSystemRow(db, { chat, kind: "renamed", by: "me", title: "Dinner", at: NOON });
    assert.equal(rows(db, "SELECT display_name FROM chat")[0]?.display_name, "Dinner");
    assert.equal(messageRow(db, addSendLater(db, { chat, text: "later", sentAt: NOON })).schedule_type, 2n);
  });
});

Deno.test("Recently Deleted moves the join row and recovery moves it back", () => {
  withDb({}, (db) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    const message = db.addMessage({ chat, from: "me", text: "oops", sentAt: NOON });
    const joins = () => [
      rows(db, "SELECT * FROM chat_message_join").length,
      rows(db, "SELECT * FROM chat_recoverable_message_join").length,
      rows(db, "SELECT * FROM message").length,
    ];
    db.moveToRecentlyDeleted(message, NOON);
    assert.deepEqual(joins(), [0, 1, 1]);
    db.recoverMessage(message, NOON);
    assert.deepEqual(joins(), [1, 0, 1]);
    db.deleteMessage(message);
    assert.deepEqual(joins(), [0, 0, 0]);
  });
});

Deno.test("a foreign connection cannot delete an attachment, as on a Mac", () => {
  withDb({}, (db, folder) => {
    const chat = db.addChat({ identifier: "+15550100001" });
    addAttachmentMessage(db, {
      chat,
      from: "me",
      files: [{ name: "a.jpg", mimeType: "image/jpeg" }],
      sentAt: NOON,
    });
    const foreign = new DatabaseSync(`${folder}/chat.db`);
    assert.throws(() => foreign.exec("DELETE FROM attachment"), /no such function/);
    foreign.close();
  });
});

Deno.test("the same calls make the same guids, another seed makes others", () => {
  const guidsOf = (seed: number) => {
    let guids: unknown[] = [];
    withDb({ seed }, (db) => {
      const chat = db.addChat({ identifier: "+15550100001" });
      for (let index = 0; index < 50; index++) {
        db.addMessage({ chat, from: "me", text: `${index}`, sentAt: NOON });
      }
      guids = rows(db, "SELECT guid FROM message").map((row) => row.guid);
    });
    return guids;
  };
  assert.deepEqual(guidsOf(1), guidsOf(1));
  assert.equal(new Set([...guidsOf(1), ...guidsOf(2)]).size, 100);
});
