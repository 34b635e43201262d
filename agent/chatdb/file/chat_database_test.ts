// Checks how chat.db is opened: live in WAL mode, without a trace, and with one clear error for each failure.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { ChatDatabase } from "./chat_database.ts";
import { ChatDatabaseError, type ChatDatabaseErrorCode } from "./chat_database_error.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";

const AT = "2024-06-01T12:00:00Z";
/** The user and group `nobody` of Linux. */
const NOBODY = 65_534;

/** A chat.db with one message, closed; its rows are in the `-wal` unless `checkpoint` is set. */
function writeChatDb(path: string, { checkpoint }: { checkpoint: boolean }): void {
  const db = createChatDb(path);
  const chat = db.addChat({ identifier: "+15550100001" });
  for (let i = 0; i < 40; i++) {
    db.addMessage({ chat, from: "me", sentAt: AT, text: `note ${i} ${"x".repeat(500)}` });
  }
  db.close({ checkpoint });
}

function countMessages(database: ChatDatabase): number {
  return Number(database.prepare("SELECT COUNT(*) FROM message")()[0]?.[0]);
}

function assertFault(code: ChatDatabaseErrorCode, action: () => unknown): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof ChatDatabaseError, String(error));
    assert.equal(error.code, code);
    assert.ok(error.message.includes(error.path));
    assert.match(error.fix ?? "", /^(Open|Allow|Set|If|Quit) /, "it says what to do");
    return true;
  });
}

Deno.test("rows that are only in the -wal are read, and no file is changed", () =>
  inTempDir((folder) => {
    const path = join(folder, "chat.db");
    writeChatDb(path, { checkpoint: false });
    const before = [Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)];
    {
      using database = new ChatDatabase(path);
      assert.equal(countMessages(database), 40);
      assert.throws(() => database.prepare("DELETE FROM message")());
    }
    assert.deepEqual([Deno.readFileSync(path), Deno.readFileSync(`${path}-wal`)], before);
  }));

Deno.test("rows that another connection commits are seen by the next read transaction, not by the running one", () =>
  inTempDir((folder) => {
    using db = createChatDb(join(folder, "chat.db"));
    const chat = db.addChat({ identifier: "+15550100001" });
    using database = new ChatDatabase(db.store.path);
    database.readTransaction(() => {
      assert.equal(countMessages(database), 0);
      db.addMessage({ chat, from: "me", sentAt: AT, text: "written meanwhile" });
      assert.equal(countMessages(database), 0);
    });
    assert.equal(database.readTransaction(() => countMessages(database)), 1);
  }));

Deno.test("a read that fails ends its transaction", () =>
  inTempDir((folder) => {
    using db = createChatDb(join(folder, "chat.db"));
    using database = new ChatDatabase(db.store.path);
    const fault = new RangeError("The caller's own fault");
    assert.throws(() =>
      database.readTransaction(() => {
        countMessages(database);
        throw fault;
      }), fault);
    assert.equal(database.readTransaction(() => countMessages(database)), 0);
  }));

Deno.test("a symlinked database is opened at its real path", () =>
  inTempDir((folder) => {
    const path = join(folder, "chat.db");
    writeChatDb(path, { checkpoint: false });
    Deno.symlinkSync(path, join(folder, "link.db"));
    using database = new ChatDatabase(join(folder, "link.db"));
    assert.equal(database.path, Deno.realPathSync(path));
    assert.equal(countMessages(database), 40);
  }));

Deno.test("a replaced file is noticed", () =>
  inTempDir((folder) => {
    const [path, restored] = [join(folder, "chat.db"), join(folder, "restored.db")];
    writeChatDb(path, { checkpoint: true });
    writeChatDb(restored, { checkpoint: true });
    using database = new ChatDatabase(path);
    assert.equal(database.isReplaced(), false);
    Deno.renameSync(restored, path);
    assert.equal(database.isReplaced(), true);
    Deno.removeSync(path);
    assertFault("missing", () => database.isReplaced());
  }));

Deno.test("a missing file, folder or link target is missing", () =>
  inTempDir((folder) => {
    Deno.symlinkSync(join(folder, "gone.db"), join(folder, "link.db"));
    for (const path of ["chat.db", "no/such/folder/chat.db", "link.db"]) {
      assertFault("missing", () => new ChatDatabase(join(folder, path)));
      assert.equal([...Deno.readDirSync(folder)].length, 1, "nothing is created");
    }
  }));

Deno.test("an empty file and files of another kind are reported as such", () =>
  inTempDir((folder) => {
    const fileWith = (content: string) => {
      const path = join(folder, `${content.length}.db`);
      Deno.writeTextFileSync(path, content);
      return path;
    };
    assertFault("empty_file", () => new ChatDatabase(fileWith("")));
    assertFault("not_a_database", () => new ChatDatabase(fileWith("A letter, not a database. ".repeat(400))));
    assertFault("not_a_database", () => new ChatDatabase(fileWith("short")));
    assertFault("not_a_database", () => new ChatDatabase(folder));
    // Garbage after the first bytes declares more pages than there are.
    assertFault("truncated", () => new ChatDatabase(fileWith(`SQLite format 3\0${"!".repeat(5_000)}`)));
  }));

Deno.test("a database of another program is not one of Messages", () =>
  inTempDir((folder) => {
    const path = join(folder, "other.db");
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE note (id INTEGER PRIMARY KEY, message TEXT)");
    other.close();
    assertFault("not_messages", () => new ChatDatabase(path));
  }));

Deno.test("a database whose messages have no guid is said to be too old, not to have no messages", () =>
  inTempDir((folder) => {
    const path = join(folder, "old.db");
    const old = new DatabaseSync(path);
    old.exec("CREATE TABLE message (ROWID INTEGER PRIMARY KEY, text TEXT, date INTEGER)");
    old.close();
    assertFault("unknown_schema", () => new ChatDatabase(path));
  }));

Deno.test("a database cut short is truncated, at opening or at the first read of a lost page", () =>
  inTempDir((folder) => {
    const path = join(folder, "chat.db");
    writeChatDb(path, { checkpoint: true });
    const { size } = Deno.statSync(path);
    for (const sizeBytes of [size - 1, size - 4_096, 50_000, 4_096, 101, 99, 17]) {
      Deno.truncateSync(path, sizeBytes);
      assertFault("truncated", () => new ChatDatabase(path));
    }
  }));

Deno.test("pages lost while a -wal is there are found when they are read", () =>
  inTempDir((folder) => {
    const path = join(folder, "chat.db");
    using db = createChatDb(path);
    const chat = db.addChat({ identifier: "+15550100001" });
    for (let i = 0; i < 40; i++) db.addMessage({ chat, from: "me", sentAt: AT, text: "x".repeat(2_000) });
    db.checkpoint();
    db.addMessage({ chat, from: "me", sentAt: AT, text: "newest" });
    Deno.truncateSync(path, Deno.statSync(path).size - 20 * 4_096);
    assertFault("truncated", () => {
      using database = new ChatDatabase(path);
      database.prepare("SELECT SUM(LENGTH(attributedBody)) FROM message")();
    });
  }));

Deno.test("a database that another program has locked is reported as locked, and readable once it is released", () =>
  inTempDir((folder) => {
    const path = join(folder, "chat.db");
    writeChatDb(path, { checkpoint: true });
    const other = new DatabaseSync(path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE chat SET state = 3");
    assertFault("locked", () => new ChatDatabase(path, { busyTimeoutMs: 20 }));
    other.exec("COMMIT");
    other.close();
    using database = new ChatDatabase(path);
    assert.equal(countMessages(database), 40);
  }));

const COUNT = `"read " + database.prepare("SELECT COUNT(*) FROM message")()[0][0]`;

/**
 * What an ordinary user finds at `path`, by default the number of messages, or the code of the fault; root is never denied
 * anything.
 */
async function foundByOrdinaryUser(folder: string, path: string, expression = COUNT): Promise<string> {
  const script = join(folder, "open.ts");
  const source = join(folder, "agent/chatdb/file");
  await Deno.mkdir(source, { recursive: true });
  await Deno.mkdir(join(folder, "lib"), { recursive: true });
  await Deno.copyFile(new URL("../../../lib/errors.ts", import.meta.url), join(folder, "lib/errors.ts"));
  for await (const { name } of Deno.readDir(import.meta.dirname ?? ".")) {
    if (!name.endsWith("_test.ts")) {
      await Deno.copyFile(join(import.meta.dirname ?? ".", name), join(source, name));
    }
  }
  await Deno.writeTextFile(
    script,
    `import { ChatDatabase } from "./agent/chatdb/file/chat_database.ts";
     let code;
     try {
       using database = new ChatDatabase(Deno.args[0]);
       code = String(${expression});
     } catch (error) { code = error.code ?? String(error); }
     await Deno.stdout.write(new TextEncoder().encode(code));`,
  );
  // The binary may lie in root's own folder, where nobody else may look.
  const deno = join(folder, "deno");
  await Deno.copyFile(Deno.execPath(), deno);
  await Deno.chmod(deno, 0o755);
  const cache = join(folder, "cache");
  await Deno.mkdir(join(cache, "tmp"), { recursive: true });
  for (const open of [cache, join(cache, "tmp")]) await Deno.chmod(open, 0o777);
  const isRoot = Deno.uid() === 0;
  const { stdout, stderr } = await new Deno.Command(deno, {
    args: ["run", "--no-config", "--no-check", "--allow-all", script, path],
    env: { DENO_DIR: cache, HOME: cache, TMPDIR: join(cache, "tmp"), NO_COLOR: "1" },
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  }).output();
  return new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
}

Deno.test("a file or folder that may not be read is denied", async () => {
  await inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const path = join(folder, "chat.db");
    writeChatDb(path, { checkpoint: true });
    await Deno.chmod(path, 0o000);
    assert.equal(await foundByOrdinaryUser(folder, path), "permission_denied");
  });
  await inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const closed = join(folder, "Messages");
    await Deno.mkdir(closed);
    writeChatDb(join(closed, "chat.db"), { checkpoint: true });
    await Deno.chmod(closed, 0o000);
    assert.equal(await foundByOrdinaryUser(folder, join(closed, "chat.db")), "permission_denied");
    await Deno.chmod(closed, 0o755);
  });
});

Deno.test("a file that is hidden in a folder which may not be listed is denied, not missing", () =>
  inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const closed = join(folder, "Messages");
    await Deno.mkdir(closed);
    await Deno.chmod(closed, 0o111);
    assert.equal(await foundByOrdinaryUser(folder, join(closed, "chat.db")), "permission_denied");
    await Deno.chmod(closed, 0o755);
  }));

/** A chat.db as people copy it: without the `-shm`, which SQLite makes again wherever it may. */
function writeCopy(path: string, options: { checkpoint: boolean }): void {
  writeChatDb(path, options);
  if (!options.checkpoint) Deno.removeSync(`${path}-shm`);
}

Deno.test("a copy in a folder that may not be written to is read, with its -wal or without, and nothing is left of that", () =>
  inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    for (const checkpoint of [false, true]) {
      const copies = join(folder, `copies ${checkpoint}`);
      await Deno.mkdir(copies);
      const path = join(copies, "chat.db");
      writeCopy(path, { checkpoint });
      const names = Array.from(Deno.readDirSync(copies), ({ name }) => name);
      assert.deepEqual(names.toSorted(), checkpoint ? ["chat.db"] : ["chat.db", "chat.db-wal"]);
      for (const name of names) await Deno.chmod(join(copies, name), 0o444);
      await Deno.chmod(copies, 0o555);
      assert.equal(await foundByOrdinaryUser(folder, path), "read 40");
      assert.deepEqual(Array.from(Deno.readDirSync(copies), ({ name }) => name), names);
      assert.deepEqual(Array.from(Deno.readDirSync(join(folder, "cache", "tmp"))), []);
      await Deno.chmod(copies, 0o755);
    }
  }));

Deno.test("a copy that may not be written to is read with the shared memory that was copied with it", () =>
  inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const [path, copies] = [join(folder, "chat.db"), join(folder, "copies")];
    using db = createChatDb(path);
    db.addMessage({ chat: db.addChat({ identifier: "+15550100001" }), from: "me", sentAt: AT, text: "Hi" });
    await Deno.mkdir(copies);
    for (const suffix of ["", "-wal", "-shm"]) {
      await Deno.copyFile(path + suffix, join(copies, `chat.db${suffix}`));
      await Deno.chmod(join(copies, `chat.db${suffix}`), 0o444);
    }
    await Deno.chmod(copies, 0o555);
    assert.equal(await foundByOrdinaryUser(folder, join(copies, "chat.db")), "read 1");
    await Deno.chmod(copies, 0o755);
  }));

Deno.test("a copy whose -wal may not be read is denied, for its newest messages would be missing", () =>
  inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const copies = join(folder, "copies");
    await Deno.mkdir(copies);
    writeCopy(join(copies, "chat.db"), { checkpoint: false });
    await Deno.chmod(join(copies, "chat.db-wal"), 0o000);
    await Deno.chmod(copies, 0o555);
    assert.equal(await foundByOrdinaryUser(folder, join(copies, "chat.db")), "permission_denied");
    await Deno.chmod(copies, 0o755);
  }));

Deno.test("a copy that is written to after it was opened is opened again", () =>
  inTempDir(async (folder) => {
    await Deno.chmod(folder, 0o755);
    const copies = join(folder, "copies");
    await Deno.mkdir(copies);
    const path = join(copies, "chat.db");
    writeCopy(path, { checkpoint: false });
    await Deno.chmod(`${path}-wal`, 0o666);
    await Deno.chmod(copies, 0o555);
    const append = `Deno.writeFileSync(Deno.args[0] + "-wal", new Uint8Array(9), { append: true })`;
    const replaced = `[database.isReplaced(), ${append}, database.isReplaced()]`;
    assert.equal(await foundByOrdinaryUser(folder, path, replaced), "false,,true");
    await Deno.chmod(copies, 0o755);
  }));
