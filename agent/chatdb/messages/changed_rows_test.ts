// Checks reading rows again: what has changed in them, that renumbered rows are noticed, and signs of a change.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { editMessage, unsendMessage } from "../../../tests/support/chat_db/edits.ts";
import { type ChatDb, createChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addTexts, withChatDb } from "../../../tests/support/chat_db/read_chat_db.ts";
import { addSendLater } from "../../../tests/support/chat_db/rows.ts";
import { ChatDatabase } from "../file/chat_database.ts";
import { fileSignature } from "../file/database_file.ts";
import { isMarkMoved, RowsRenumberedError } from "../file/identity.ts";
import { MessageReader } from "./message_reader.ts";
import type { RowOutcome } from "./row_reader.ts";
import { timestampChecksum } from "./row_timestamps.ts";

const AT = "2024-06-01T12:00:00Z";
const EDITED_AT = "2024-06-01T12:05:00.250Z";
const ANA = "+15550100001";

function withDatabase(use: (db: ChatDb, database: ChatDatabase, reader: MessageReader) => void): void {
  withChatDb((db, database) => use(db, database, new MessageReader(database)));
}

function textIn(outcome: RowOutcome | undefined): string | null | undefined {
  return outcome?.kind === "message" ? outcome.message.text : undefined;
}

function setTimestamps(
  db: ChatDb,
  { rowId }: { rowId: number },
  set: Record<string, number | bigint | null>,
): void {
  db.store.update("message", { rowId, set });
}

Deno.test("edited and unsent rows are found by their timestamps, within the requested rows", () =>
  withDatabase((db, _database, reader) => {
    const [first, second, third] = addTexts(db, 3, { from: ANA, sentAt: AT });
    assert.ok(first && second && third);
    editMessage(db, { message: first, text: "edited", at: EDITED_AT });
    unsendMessage(db, { message: third, at: EDITED_AT });
    const atMs = Date.parse(EDITED_AT);
    assert.deepEqual([...reader.findTimestamps(1, 3).keys()], [first.rowId, third.rowId]);
    assert.deepEqual([...reader.findTimestamps(2, 3).keys()], [third.rowId]);
    const { messages } = reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual(messages.map(({ changedAtMs }) => changedAtMs), [atMs, null, atMs]);
    assert.deepEqual(messages.map(({ editedAtMs }) => editedAtMs), [atMs, null, null]);
  }));

Deno.test("a message has the times at which it was read and delivered, and a row is found by them without an index", () =>
  withDatabase((db, _database, reader) => {
    const [unread, read, mine] = addTexts(db, 3, { from: ANA, sentAt: AT });
    assert.ok(unread && read && mine);
    const [early, late] = [AT, EDITED_AT].map((at) => db.store.appleDate(new Date(at)));
    setTimestamps(db, read, { date_read: late ?? null, is_read: 1 });
    setTimestamps(db, mine, { date_delivered: early ?? null, date_read: late ?? null });
    assert.deepEqual([...reader.findTimestamps(1, 3).keys()], [read.rowId, mine.rowId]);
    const { messages } = reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual(messages.map(({ readAtMs, deliveredAtMs }) => [readAtMs, deliveredAtMs]), [
      [null, null],
      [Date.parse(EDITED_AT), null],
      [Date.parse(EDITED_AT), Date.parse(AT)],
    ]);
  }));

Deno.test("a message that was read but has no time for it, or the greatest integer, has no read time", () =>
  withDatabase((db, _database, reader) => {
    const [undated, greatest, never] = addTexts(db, 3, { from: ANA, sentAt: AT });
    assert.ok(undated && greatest && never);
    setTimestamps(db, undated, { date_read: 0, is_read: 1 });
    setTimestamps(db, greatest, { date_read: 9_223_372_036_854_775_807n, is_read: 1 });
    setTimestamps(db, never, { date_read: null, date_delivered: null });
    assert.equal(reader.findTimestamps(1, 3).size, 0);
    const { messages } = reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual(messages.map(({ readAtMs }) => readAtMs), [null, null, null]);
  }));

const anyTimestamp = fc.oneof(
  fc.constantFrom(null, 0n, -1n, 9_223_372_036_854_775_807n, 9_223_372_036_854_775_806n),
  fc.bigInt({ min: 1n, max: 900_000_000n }),
  fc.bigInt({ min: 1n, max: 900_000_000n * 1_000_000_000n }),
);

Deno.test("whatever a row's timestamps are, the search and the record agree on them", () =>
  withDatabase((db, database, reader) => {
    const [message] = addTexts(db, 1, { from: ANA, sentAt: AT });
    assert.ok(message);
    const columns = fc.record({
      date_edited: anyTimestamp,
      date_read: anyTimestamp,
      date_delivered: anyTimestamp,
    });
    fc.assert(fc.property(columns, (timestamps) => {
      setTimestamps(db, message, timestamps);
      const { messages } = new MessageReader(database).readAfter(0, { nowMs: Date.now() });
      const sum = timestampChecksum(messages[0] ?? assert.fail());
      assert.equal(reader.findTimestamps(1, 1).get(message.rowId) ?? 0, sum);
    }));
  }));

Deno.test("a timestamp that appears or moves later always changes the checksum, whatever the others are", () => {
  const time = fc.option(fc.integer({ min: Date.parse("2001-01-02"), max: Date.parse("2200-01-01") }));
  const timestamps = fc.record({ changedAtMs: time, readAtMs: time, deliveredAtMs: time });
  fc.assert(fc.property(timestamps, timestamps, (before, after) => {
    const names = ["changedAtMs", "readAtMs", "deliveredAtMs"] as const;
    const grown = Object.fromEntries(names.map((name) => {
      const times = [before[name], after[name]].filter((atMs) => atMs !== null);
      return [name, times.length === 0 ? null : Math.max(...times)];
    })) as typeof before;
    const isSame = names.every((name) => before[name] === grown[name]);
    assert.equal(timestampChecksum(before) === timestampChecksum(grown), isSame);
  }));
});

Deno.test("a database that lacks the columns of some timestamps, or of all, has none of those", () => {
  const folder = Deno.makeTempDirSync();
  using db = createChatDb(join(folder, "chat.db"), { generation: "monterey" });
  const [first, second] = addTexts(db, 2, { from: ANA, sentAt: AT });
  assert.ok(first && second);
  const found = () => {
    using database = new ChatDatabase(db.store.path);
    return [...new MessageReader(database).findTimestamps(0, 10).keys()];
  };
  assert.deepEqual(found(), []);
  setTimestamps(db, first, { date_read: 700_000_000 });
  setTimestamps(db, second, { date_delivered: 700_000_000 });
  assert.deepEqual(found(), [first.rowId, second.rowId]);
  db.store.sqlite.exec("ALTER TABLE message DROP COLUMN date_read");
  assert.deepEqual(found(), [second.rowId]);
  db.store.sqlite.exec("ALTER TABLE message DROP COLUMN date_delivered");
  assert.deepEqual(found(), []);
  db.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("rows near and far are read again in their present form, and deleted ones are left out", () =>
  withDatabase((db, _database, reader) => {
    const messages = addTexts(db, 1_200, { from: ANA, sentAt: AT });
    const wanted = [1, 2, 700, 1_199, 1_200].map((rowId) => messages[rowId - 1] ?? assert.fail());
    reader.readAfter(0, { nowMs: Date.now(), limit: 2_000 });
    for (const message of wanted) {
      editMessage(db, { message, text: `edited ${message.rowId}`, at: EDITED_AT });
    }
    db.deleteMessage(wanted[2] ?? assert.fail());
    const found = reader.readRows(wanted.map(({ rowId }) => rowId), { nowMs: Date.now() });
    assert.deepEqual([...found].map(([rowId, outcome]) => [rowId, textIn(outcome)]), [
      [1, "edited 1"],
      [2, "edited 2"],
      [1_199, "edited 1199"],
      [1_200, "edited 1200"],
    ]);
    assert.equal(reader.readRows([], { nowMs: Date.now() }).size, 0);
  }));

Deno.test("a scheduled draft is skipped, and is a message under the same ROWID once it was sent", () =>
  withDatabase((db, _database, reader) => {
    const chat = db.addChat({ identifier: ANA });
    const draft = addSendLater(db, { chat, sentAt: "2100-01-01T00:00:00Z", text: "happy new year" });
    const read = () => reader.readRows([draft.rowId], { nowMs: Date.now() }).get(draft.rowId);
    assert.deepEqual(read(), { kind: "skipped", reason: "scheduled", targetGuid: null });
    db.store.update("message", {
      rowId: draft.rowId,
      set: { is_sent: 1, date: db.store.appleDate(new Date(AT)) },
    });
    assert.equal(textIn(read()), "happy new year");
  }));

Deno.test("renumbered rows are noticed by the guid at the mark, even when its row is gone", () =>
  withDatabase((db, database, reader) => {
    const messages = addTexts(db, 5, { from: ANA, sentAt: AT });
    const [mark] = messages.slice(2);
    assert.ok(mark);
    const { lastRowId, lastGuid } = reader.readAfter(0, { nowMs: Date.now(), limit: mark.rowId });
    assert.deepEqual([lastRowId, lastGuid], [mark.rowId, mark.guid]);
    const isMoved = () => isMarkMoved(database, { markRowId: mark.rowId, markGuid: mark.guid });
    const readOn = () => reader.readAfter(lastRowId, { nowMs: Date.now(), markGuid: lastGuid });
    assert.equal(isMoved(), false);
    assert.equal(readOn().messages.length, 2);

    db.store.sqlite.exec("PRAGMA foreign_keys = OFF");
    db.store.run("UPDATE message SET ROWID = ROWID + 100");
    assert.equal(isMoved(), true);
    assert.throws(readOn, RowsRenumberedError);

    db.store.run("UPDATE message SET ROWID = ROWID - 100");
    db.store.run("DELETE FROM message WHERE ROWID = ?", mark.rowId);
    assert.equal(isMoved(), false, "a deleted row says nothing");
    db.store.run("UPDATE message SET ROWID = ROWID - 1");
    assert.equal(isMoved(), true, "another row in its place does");
  }));

Deno.test("every commit changes the data version, and the signature of the files when it changes a size or a time", () =>
  withDatabase((db, database) => {
    const [message] = addTexts(db, 1, { from: ANA, sentAt: AT });
    assert.ok(message);
    // From here on the -wal keeps its size: a checkpoint without a reset lets new frames overwrite the old ones.
    for (let index = 0; index < 50; index++) editMessage(db, { message, text: `grown ${index}`, at: AT });
    db.store.sqlite.exec("PRAGMA wal_checkpoint(RESTART)");
    const walBytes = () => Deno.statSync(`${db.store.path}-wal`).size;
    const [sizeBytes, version, signature] = [
      walBytes(),
      database.dataVersion(),
      fileSignature(db.store.path),
    ];
    editMessage(db, { message, text: "overwrites", at: AT });
    assert.equal(walBytes(), sizeBytes);
    assert.notEqual(database.dataVersion(), version);
    assert.notEqual(fileSignature(db.store.path), signature);
  }));

Deno.test("reading changes neither the data version nor the signature; replacing the file changes the latter", () =>
  withDatabase((db, database, reader) => {
    addTexts(db, 2, { from: ANA, sentAt: AT });
    reader.readAfter(0, { nowMs: Date.now() });
    const before = [database.dataVersion(), fileSignature(db.store.path)];
    reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual([database.dataVersion(), fileSignature(db.store.path)], before);
    Deno.copyFileSync(db.store.path, `${db.store.path}.copy`);
    const stat = Deno.statSync(db.store.path);
    Deno.utimeSync(`${db.store.path}.copy`, stat.mtime ?? 0, stat.mtime ?? 0);
    Deno.renameSync(`${db.store.path}.copy`, db.store.path);
    assert.notEqual(fileSignature(db.store.path), before[1]);
  }));
