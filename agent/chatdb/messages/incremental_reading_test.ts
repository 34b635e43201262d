// Checks reading on from a mark while Messages writes: batches, late joins, rows out of date order, changed chats.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ChatDb, createChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { skippedOf } from "../../../tests/support/chat_db/read_chat_db.ts";
import { addTapback } from "../../../tests/support/chat_db/rows.ts";
import { ChatDatabase } from "../file/chat_database.ts";
import { ChatDatabaseError } from "../file/chat_database_error.ts";
import { MessageReader } from "./message_reader.ts";

const AT = "2024-06-01T12:00:00Z";
const ANA = "+15550100001";
const GRACE_PERIOD_MS = 10_000;

/** A chat.db with its writer and a reader on another connection. */
function withReader(use: (db: ChatDb, reader: MessageReader) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    using db = createChatDb(join(folder, "chat.db"));
    using database = new ChatDatabase(db.store.path);
    use(db, new MessageReader(database));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A present after the grace period of everything written so far. */
const afterGracePeriod = () => Date.now() + 2 * GRACE_PERIOD_MS;

Deno.test("batches follow the order of writing, not of dates, and end exactly", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const sent = [2024, 2019, 2023, 2018, 2022, 2021].map((year) => {
      return db.addMessage({ chat, from: ANA, sentAt: `${year}-01-01T00:00:00Z`, text: String(year) });
    });
    addTapback(db, { to: sent[0] ?? assert.fail(), from: ANA, kind: "like", sentAt: AT });
    const texts: (string | null)[] = [];
    const marks: number[] = [];
    let batch = reader.readAfter(0, { limit: 3, nowMs: afterGracePeriod() });
    while (true) {
      texts.push(...batch.messages.map(({ text }) => text));
      marks.push(batch.lastRowId);
      if (!batch.hasMore) break;
      batch = reader.readAfter(batch.lastRowId, { limit: 3, nowMs: afterGracePeriod() });
    }
    assert.deepEqual(texts, ["2024", "2019", "2023", "2018", "2022", "2021"]);
    assert.deepEqual(marks, [3, 6, 7], "the skipped tapback moves the mark");
    const none = reader.readAfter(7, { limit: 3, nowMs: afterGracePeriod() });
    assert.deepEqual([none.messages, none.lastRowId, none.hasMore], [[], 7, false]);
    assert.equal(reader.readAfter(0, { limit: 7, nowMs: afterGracePeriod() }).hasMore, false);
  }));

Deno.test("gaps in the ROWIDs are skipped", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const messages = [1, 2, 3, 4].map((n) => db.addMessage({ chat, from: ANA, sentAt: AT, text: `${n}` }));
    for (const gone of messages.slice(1, 3)) db.deleteMessage(gone);
    const batch = reader.readAfter(0, { limit: 2, nowMs: afterGracePeriod() });
    assert.deepEqual(batch.messages.map(({ rowId }) => rowId), [1, 4]);
    assert.equal(batch.hasMore, false);
  }));

Deno.test("a row without its chat is left for later while the others are read, and taken once the chat is there", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "first" });
    const late = db.addMessage({
      chat,
      from: ANA,
      sentAt: new Date(),
      text: "late",
      joinLater: true,
    });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "after" });
    const nowMs = Date.now();
    const held = reader.readAfter(0, { nowMs });
    assert.deepEqual(held.messages.map(({ text }) => text), ["first", "after"]);
    assert.deepEqual([held.lastRowId, held.incompleteRows, held.hasMore], [3, [late.rowId], false]);
    db.joinMessage(late, chat);
    const [again] = reader.readRows([late.rowId], { nowMs }).values();
    assert.equal(again?.kind === "message" ? again.message.conversation?.id : null, ANA);
  }));

Deno.test("a row that stays without a chat is read as an orphan after the grace period, also where its date is to come", () =>
  withReader((db, reader) => {
    const sentAt = new Date(Date.now() + 3_600_000);
    const lost = db.addMessage({ chat: null, from: ANA, sentAt, text: "lost" });
    const writtenMs = Deno.statSync(`${db.store.path}-wal`).mtime?.getTime() ?? assert.fail();
    for (const nowMs of [writtenMs, writtenMs + GRACE_PERIOD_MS - 1]) {
      assert.deepEqual(reader.readAfter(0, { nowMs }).incompleteRows, [lost.rowId]);
    }
    const batch = reader.readAfter(0, { nowMs: writtenMs + GRACE_PERIOD_MS });
    assert.deepEqual(batch.messages.map(({ text, conversation }) => [text, conversation]), [["lost", null]]);
    assert.equal(reader.readAfter(0, { nowMs: writtenMs, gracePeriodMs: 0 }).messages.length, 1);
  }));

Deno.test("rows that lack something and are old are read at once, however lately the file was written", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const late = db.addMessage({ chat, from: ANA, sentAt: AT, text: "no chat", joinLater: true });
    db.addMessage({ chat: null, from: ANA, sentAt: AT, text: "no date", columns: { date: 0 } });
    db.addMessage({ chat, from: ANA, sentAt: AT });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "\ufffc" });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "after" });
    const batch = reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual([batch.incompleteRows, batch.lastRowId], [[], 5]);
    assert.deepEqual(batch.messages.map(({ text, conversation }) => [text, conversation?.id]), [
      ["no chat", undefined],
      ["no date", undefined],
      [null, ANA],
      ["after", ANA],
    ]);
    db.joinMessage(late, chat);
    const [again] = reader.readRows([late.rowId], { nowMs: Date.now() }).values();
    assert.equal(again?.kind === "message" ? again.message.conversation?.id : null, ANA);
  }));

Deno.test("orphans of a database that is not being written delay nothing", () =>
  withReader((db, reader) => {
    for (let i = 0; i < 5; i++) db.addMessage({ chat: null, from: ANA, sentAt: AT, text: `lost ${i}` });
    const lastWrite = new Date(Date.now() - 60_000);
    for (const suffix of ["", "-wal"]) Deno.utimeSync(db.store.path + suffix, lastWrite, lastWrite);
    assert.equal(reader.readAfter(0, { nowMs: Date.now() }).messages.length, 5);
  }));

Deno.test("a row whose text or file is still to come is incomplete, then read or skipped", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const parts = [{ attachmentGuid: "at_0_X" }];
    const photo = db.addMessage({ chat, from: ANA, sentAt: new Date(), parts });
    const nowMs = Date.now();
    assert.deepEqual(reader.readAfter(0, { nowMs }).incompleteRows, [photo.rowId]);
    const file = { guid: "at_0_X", original_guid: "at_0_X", transfer_name: "a.png", mime_type: "image/png" };
    const attachmentId = db.store.insert("attachment", file);
    db.store.insert("message_attachment_join", { message_id: photo.rowId, attachment_id: attachmentId });
    assert.deepEqual(reader.readAfter(0, { nowMs }).messages.map(({ attachments }) => attachments.length), [
      1,
    ]);
    const blank = db.addMessage({ chat, from: ANA, sentAt: new Date() });
    assert.deepEqual(reader.readAfter(photo.rowId, { nowMs: Date.now() }).incompleteRows, [blank.rowId]);
    assert.equal(skippedOf(reader.readAfter(photo.rowId, { nowMs: afterGracePeriod() })).empty, 1);
  }));

Deno.test("new and changed people, chats and names are known at once", () =>
  withReader((db, reader) => {
    const group = db.addChat({ identifier: "chat1", displayName: "Old", participants: [ANA] });
    db.addMessage({ chat: group, from: ANA, sentAt: AT, text: "one" });
    const first = reader.readAfter(0, { nowMs: afterGracePeriod() });
    assert.equal(first.messages[0]?.conversation?.displayName, "Old");
    db.store.update("chat", { rowId: group.rowId, set: { display_name: "New" } });
    const newcomer = db.addHandle("cy@example.com");
    db.store.run("INSERT INTO chat_handle_join VALUES (?, ?)", group.rowId, newcomer.rowId);
    db.addMessage({ chat: group, from: newcomer, sentAt: AT, text: "two" });
    const direct = db.addChat({ identifier: "+15550100009" });
    db.addMessage({ chat: direct, from: "+15550100009", sentAt: AT, text: "three" });
    const [two, three] = reader.readAfter(first.lastRowId, { nowMs: afterGracePeriod() }).messages;
    assert.equal(two?.conversation?.displayName, "New");
    assert.equal(two?.sender, "cy@example.com");
    assert.deepEqual(two?.conversation?.participants, [ANA, "cy@example.com"]);
    assert.equal(three?.conversation?.id, "+15550100009");
    assert.equal(two?.conversation?.id, first.messages[0]?.conversation?.id);
  }));

Deno.test("a former member stays a participant when the chats are loaded again", () =>
  withReader((db, reader) => {
    const bo = db.addHandle("bo@example.com");
    const group = db.addChat({ identifier: "chat1", participants: [ANA] });
    db.addMessage({ chat: group, from: bo, sentAt: AT, text: "left long ago" });
    const { lastRowId } = reader.readAfter(0, { nowMs: afterGracePeriod() });
    db.addMessage({ chat: group, from: ANA, sentAt: AT, text: "still here" });
    const [message] = reader.readAfter(lastRowId, { nowMs: afterGracePeriod() }).messages;
    assert.deepEqual(message?.conversation?.participants, [ANA, "bo@example.com"]);
  }));

Deno.test("the owner's addresses are collected from chats and messages, in one spelling", () =>
  withReader((db, reader) => {
    const columns = { last_addressed_handle: "Me@Work.example", account_login: "E:me@home.example" };
    const chat = db.addChat({ identifier: ANA, columns });
    const more = { destination_caller_id: "+15550100077", account: "P:+15550100078" };
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "to one of them", columns: more });
    reader.readAfter(0, { nowMs: afterGracePeriod() });
    assert.deepEqual([...reader.directory.ownAliases].sort(), [
      "+15550100077",
      "+15550100078",
      "me@home.example",
      "me@work.example",
    ]);
  }));

Deno.test("a file that vanishes while it is open ends the read with a clear error", () =>
  withReader((db, reader) => {
    reader.readAfter(0, { nowMs: afterGracePeriod() });
    Deno.removeSync(db.store.path);
    assert.throws(
      () => reader.readAfter(0, { nowMs: afterGracePeriod() }),
      (error) => error instanceof ChatDatabaseError && error.code === "missing",
    );
    Deno.writeFileSync(db.store.path, new Uint8Array());
  }));

Deno.test("an empty database gives an empty batch at the same mark", () =>
  withReader((_db, reader) => {
    const batch = reader.readAfter(0, { nowMs: afterGracePeriod() });
    assert.deepEqual([batch.messages, batch.lastRowId, batch.hasMore, batch.incompleteRows], [
      [],
      0,
      false,
      [],
    ]);
  }));

Deno.test("5,000 rows written while they are read are each read once, in order", () =>
  withReader((db, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const seen: number[] = [];
    let mark = 0;
    for (let written = 0; written < 5_000;) {
      db.store.atomically(() => {
        for (let i = 0; i < 50; i++) db.addMessage({ chat, from: ANA, sentAt: AT, text: `${++written}` });
      });
      if (written % 1_000 === 0) db.checkpoint();
      const batch = reader.readAfter(mark, { limit: 70, nowMs: Date.now() });
      seen.push(...batch.messages.map(({ text }) => Number(text)));
      mark = batch.lastRowId;
    }
    assert.deepEqual(seen, Array.from({ length: 5_000 }, (_, index) => index + 1));
  }));
