/** Tests that every row of chat.db is accounted for, by counts that SQL makes of its own, and that a gap is found and closed. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { SyncMessagesRequest } from "../../contract/sync.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { APP_FUNCTIONS } from "../../tests/support/chat_db/indexes.ts";
import { countRowsBySql } from "../../tests/support/chat_db/read_chat_db.ts";
import { AgentHome, captureIn } from "../../tests/support/mac/agent_home.ts";

const MAYA = "+15550100001";
const AT = "2026-01-01T10:00:00.000Z";

/** Syncs; returns the texts that were sent. */
async function sync(home: AgentHome, commandLine = "sync --once"): Promise<unknown[]> {
  const before = home.server.syncRequests.length;
  const run = await home.run(commandLine);
  assert.equal(run.code, 0, run.stderr);
  return home.server.syncRequests.slice(before)
    .flatMap(({ body }) => (body as Partial<SyncMessagesRequest>).messages ?? []).map(({ text }) => text);
}

/** Changes a database behind the back of the agent. */
function change(path: string, sql: string): void {
  using db = new DatabaseSync(path);
  for (const name of APP_FUNCTIONS) db.function(name, { varargs: true }, () => null);
  db.exec(sql);
}

function textsIn(home: AgentHome, texts: readonly string[]) {
  const db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  return { db, chat, messages: texts.map((text) => db.addMessage({ chat, from: MAYA, text, sentAt: AT })) };
}

Deno.test("each row is stored, refused or set aside, and the counts are those of chat.db, after a second sync too", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 3_000 });
  const { rows, messages } = countRowsBySql(home.chatDb);
  assert.ok(messages < rows, "some rows are tapbacks");
  home.server.interfere = ({ body }) => {
    const at = ((body as Partial<SyncMessagesRequest>)?.messages ?? [])
      .findIndex(({ text }) => text?.includes("coffee"));
    return at === -1
      ? null
      : { status: "validation_failed", details: [{ path: `messages.${at}.text`, message: "bad" }] };
  };
  await sync(home);
  const stored = home.server.account.messages.size;
  assert.ok(stored > 0 && stored < messages, "some are refused");
  const capture = { rowsRead: rows, stored, refused: messages - stored, setAside: rows - messages, gaps: 0 };
  assert.deepEqual(captureIn(home), capture);
  await sync(home);
  assert.deepEqual(captureIn(home), capture);
});

Deno.test("a row that came in under the mark is a gap, which the next full sync reads and sends", async () => {
  await using home = await AgentHome.paired();
  const { db, messages: [, hidden] } = textsIn(home, ["one", "two", "three"]);
  using _ = db;
  change(
    home.chatDb,
    `CREATE TABLE hidden AS SELECT * FROM message WHERE ROWID = ${hidden?.rowId};
    DELETE FROM message WHERE ROWID = ${hidden?.rowId}`,
  );
  assert.deepEqual(await sync(home), ["one", "three"]);
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 2, refused: 0, setAside: 0, gaps: 0 });
  change(home.chatDb, "INSERT INTO message SELECT * FROM hidden");
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 2, refused: 0, setAside: 0, gaps: 1 });
  assert.deepEqual(await sync(home), ["two"]);
  assert.deepEqual(captureIn(home), { rowsRead: 3, stored: 3, refused: 0, setAside: 0, gaps: 0 });
  assert.deepEqual(await sync(home), []);
});

Deno.test("a row that Messages is still writing is a gap until it was sent, and one that is gone counts no more", async () => {
  await using home = await AgentHome.paired();
  const { db, chat, messages: [first] } = textsIn(home, ["one", "two"]);
  using _ = db;
  const late = db.addMessage({ chat, from: MAYA, text: "late", sentAt: new Date(), joinLater: true });
  await sync(home);
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 2, refused: 0, setAside: 0, gaps: 1 });
  db.joinMessage(late, chat);
  await sync(home);
  assert.deepEqual(captureIn(home), { rowsRead: 3, stored: 3, refused: 0, setAside: 0, gaps: 0 });
  db.moveToRecentlyDeleted(late, new Date());
  await sync(home);
  assert.deepEqual(captureIn(home), { rowsRead: 3, stored: 2, refused: 0, setAside: 1, gaps: 0 });
  // Without the note that Messages makes of a deletion.
  change(home.chatDb, `DELETE FROM message WHERE ROWID = ${first?.rowId}`);
  await sync(home);
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 1, refused: 0, setAside: 1, gaps: 0 });
});

Deno.test("what is older than --since is set aside, and stored once an earlier date is given", async () => {
  await using home = await AgentHome.paired();
  const { db, chat } = textsIn(home, ["new"]);
  using _ = db;
  db.addMessage({ chat, from: MAYA, text: "old", sentAt: "2020-01-01T10:00:00.000Z" });
  assert.deepEqual(await sync(home, "sync --once --since 2025-01-01"), ["new"]);
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 1, refused: 0, setAside: 1, gaps: 0 });
  await sync(home, "sync --once --since 2019-01-01");
  assert.deepEqual(captureIn(home), { rowsRead: 2, stored: 2, refused: 0, setAside: 0, gaps: 0 });
});

Deno.test("a state of the version before is taken over: nothing is sent again, and the counts are those of chat.db", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 1_500 });
  await sync(home);
  const capture = captureIn(home);
  change(
    `${home.dataDir}/agent.db`,
    `ALTER TABLE seen_rows DROP COLUMN outcome; DELETE FROM seen_rows WHERE checksum = 0 AND state IS NULL;
     UPDATE documents SET value = json_remove(value, '$.hasOutcomes') WHERE id = 'cursor'; PRAGMA user_version = 1`,
  );
  assert.equal(captureIn(home).gaps, 1_500);
  assert.deepEqual(await sync(home), []);
  const { rows, messages } = countRowsBySql(home.chatDb);
  assert.deepEqual(captureIn(home), capture);
  assert.deepEqual(capture, {
    rowsRead: rows,
    stored: messages,
    refused: 0,
    setAside: rows - messages,
    gaps: 0,
  });
});
