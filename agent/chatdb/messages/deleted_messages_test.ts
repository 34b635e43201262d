// Checks finding what was deleted, in databases that note deletions, that renumber them, and that have no notes.
import assert from "node:assert/strict";
import type { ChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addTexts, withChatDb } from "../../../tests/support/chat_db/read_chat_db.ts";
import { DeletionFinder } from "./deleted_messages.ts";

const AT = "2024-06-01T12:00:00Z";
const ANA = "+15550100001";

function withDeletions(
  use: (world: { db: ChatDb; finder: DeletionFinder }) => void,
  generation?: "el_capitan" | "monterey",
): void {
  const options = generation === undefined ? {} : { generation };
  withChatDb((db, database) => use({ db, finder: new DeletionFinder(database) }), options);
}

Deno.test("deletions are returned in their order and in pieces, each once", () =>
  withDeletions(({ db, finder }) => {
    const messages = addTexts(db, 5, { from: ANA, sentAt: AT });
    assert.deepEqual([finder.lastId(), finder.deletedAfter(0, { limit: 9 })], [0, { guids: [], lastId: 0 }]);
    for (const message of messages.slice(1, 4)) db.deleteMessage(message);
    const first = finder.deletedAfter(0, { limit: 2 });
    assert.deepEqual(first.guids, messages.slice(1, 3).map(({ guid }) => guid));
    const second = finder.deletedAfter(first.lastId, { limit: 2 });
    assert.deepEqual(second.guids, [messages[3]?.guid]);
    assert.deepEqual(finder.deletedAfter(second.lastId, { limit: 2 }), {
      guids: [],
      lastId: finder.lastId(),
    });
  }));

Deno.test("a message that is back under its guid does not count as deleted", () =>
  withDeletions(({ db, finder }) => {
    const [gone, back] = addTexts(db, 2, { from: ANA, sentAt: AT });
    assert.ok(gone && back);
    for (const message of [gone, back]) db.deleteMessage(message);
    db.store.run("INSERT INTO message (guid, text) VALUES (?, 'again')", back.guid);
    assert.deepEqual(finder.deletedAfter(0, { limit: 9 }), { guids: [gone.guid], lastId: 2 });
  }));

Deno.test("a mark beyond the last deletion belongs to another database, so that all deletions are returned again", () =>
  withDeletions(({ db, finder }) => {
    const [message] = addTexts(db, 1, { from: ANA, sentAt: AT });
    assert.ok(message);
    db.deleteMessage(message);
    assert.deepEqual(finder.deletedAfter(700, { limit: 9 }), { guids: [message.guid], lastId: 1 });
  }));

Deno.test("rows in Recently Deleted are listed with their guids until they are recovered", () =>
  withDeletions(({ db, finder }) => {
    const [one, two] = addTexts(db, 2, { from: ANA, sentAt: AT });
    assert.ok(one && two);
    for (const message of [one, two]) db.moveToRecentlyDeleted(message, AT);
    assert.deepEqual([...finder.recentlyDeleted(9)], [[one.rowId, one.guid], [two.rowId, two.guid]]);
    assert.deepEqual([...finder.recentlyDeleted(one.rowId)], [[one.rowId, one.guid]]);
    db.recoverMessage(one, AT);
    assert.deepEqual([...finder.recentlyDeleted(9).values()], [two.guid]);
  }));

for (const generation of ["el_capitan", "monterey"] as const) {
  Deno.test(`a database without Recently Deleted has none (${generation})`, () =>
    withDeletions(({ db, finder }) => {
      const [message] = addTexts(db, 2, { from: ANA, sentAt: AT });
      assert.ok(message);
      db.deleteMessage(message);
      assert.deepEqual([finder.recentlyDeleted(9).size, finder.deletedAfter(0, { limit: 9 }).guids], [0, [
        message.guid,
      ]]);
    }, generation));
}
