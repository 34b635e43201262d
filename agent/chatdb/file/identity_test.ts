// Checks that a mark is known to be valid for the same database only: after deletions, copies, restores and rebuilds.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ChatDb, createChatDb, type Message } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { ChatDatabase } from "./chat_database.ts";
import { type DatabaseIdentity, isSameDatabase, readDatabaseIdentity } from "./identity.ts";

const AT = "2024-06-01T12:00:00Z";

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function writeMessages(db: ChatDb, count: number): Message[] {
  const chat = db.addChat({ identifier: "+15550100001" });
  return Array.from(
    { length: count },
    (_, i) => db.addMessage({ chat, from: "me", sentAt: AT, text: `${i}` }),
  );
}

function identityOf(path: string, markRowId: number): DatabaseIdentity {
  using database = new ChatDatabase(path);
  return readDatabaseIdentity(database, markRowId);
}

function isStillSame(path: string, stored: DatabaseIdentity): boolean {
  const plain: DatabaseIdentity = JSON.parse(JSON.stringify(stored));
  return isSameDatabase(plain, identityOf(path, stored.markRowId));
}

Deno.test("the identity names the file, the row at the mark and the sequence that deletions do not lower", () =>
  withFolder((folder) => {
    using db = createChatDb(join(folder, "chat.db"));
    const messages = writeMessages(db, 3);
    db.deleteMessage(messages[2] ?? assert.fail());
    const { ino, dev } = Deno.statSync(db.store.path);
    assert.deepEqual(identityOf(db.store.path, 2), {
      device: dev,
      inode: ino,
      sequence: 3,
      markRowId: 2,
      markGuid: messages[1]?.guid,
    });
  }));

Deno.test("after new rows and deletions, even of the row at the mark, it is still the same database", () =>
  withFolder((folder) => {
    using db = createChatDb(join(folder, "chat.db"));
    const messages = writeMessages(db, 3);
    const stored = identityOf(db.store.path, 3);
    db.deleteMessage(messages[2] ?? assert.fail());
    assert.equal(isStillSame(db.store.path, stored), true);
    db.addMessage({ chat: messages[0]?.chat ?? null, from: "me", sentAt: AT, text: "new" });
    assert.equal(isStillSame(db.store.path, stored), true);
  }));

Deno.test("a copy with the same row at the mark is the same database, whatever its path", () =>
  withFolder((folder) => {
    const path = join(folder, "chat.db");
    const db = createChatDb(path);
    writeMessages(db, 3);
    db.close({ checkpoint: true });
    const stored = identityOf(path, 3);
    Deno.copyFileSync(path, join(folder, "moved.db"));
    assert.equal(isStillSame(join(folder, "moved.db"), stored), true);
  }));

Deno.test("a rebuilt database that renumbers its rows is a different one", () =>
  withFolder((folder) => {
    const build = (name: string, seed: number, count: number) => {
      const db = createChatDb(join(folder, name), { seed });
      writeMessages(db, count);
      db.close({ checkpoint: true });
      return join(folder, name);
    };
    const stored = identityOf(build("chat.db", 1, 5), 5);
    assert.equal(isStillSame(build("longer.db", 2, 9), stored), false);
    assert.equal(isStillSame(build("shorter.db", 2, 3), stored), false);
    assert.equal(isStillSame(build("earlier_backup.db", 1, 3), stored), false);
  }));

Deno.test("a file that replaces one whose marked row is gone is a different database, and no mark fits any database", () =>
  withFolder((folder) => {
    const path = join(folder, "chat.db");
    const db = createChatDb(path);
    const messages = writeMessages(db, 5);
    db.deleteMessage(messages[4] ?? assert.fail());
    db.close({ checkpoint: true });
    const stored = identityOf(path, 5);
    assert.equal(isStillSame(path, stored), true);
    Deno.copyFileSync(path, join(folder, "copy.db"));
    assert.equal(isStillSame(join(folder, "copy.db"), stored), false);
    assert.equal(isStillSame(join(folder, "copy.db"), { ...stored, markRowId: 0, markGuid: null }), true);
  }));

Deno.test("a database without a sequence table is known by its highest row", () =>
  withFolder((folder) => {
    using db = createChatDb(join(folder, "chat.db"));
    writeMessages(db, 4);
    db.store.run("DELETE FROM sqlite_sequence WHERE name = 'message'");
    assert.equal(identityOf(db.store.path, 4).sequence, 4);
  }));
