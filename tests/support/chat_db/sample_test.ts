// Checks that sample databases hold what went in, in order of time, and are valid.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { bulkChatDb } from "./bulk.ts";
import { buildSampleMessages, type SampleData } from "./sample.ts";
import { readWithOracle } from "../typedstream/typedstream_oracle.ts";
import { inTempDir } from "../process/temp_dir.ts";

interface Read {
  body: Uint8Array | null;
  text: string | null;
  chat: string;
  tapback: number;
}

function readAll(path: string): Read[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    assert.deepEqual(db.prepare("PRAGMA integrity_check").all().map((row) => row.integrity_check), ["ok"]);
    return db.prepare(
      `SELECT m.attributedBody AS body, m.text, c.chat_identifier AS chat, m.associated_message_type AS tapback
       FROM message m JOIN chat_message_join j ON j.message_id = m.ROWID JOIN chat c ON c.ROWID = j.chat_id
       ORDER BY m.ROWID`,
    ).all() as unknown as Read[];
  } finally {
    db.close();
  }
}

async function inTempFolder(use: (path: string) => void): Promise<void> {
  await inTempDir((folder) => use(`${folder}/chat.db`));
}

const textOf = (row: Read | undefined) => row?.body ? readWithOracle(row.body).string : row?.text ?? null;

Deno.test("conversations become chats whose messages are interleaved by time", () =>
  inTempFolder((path) => {
    const data: SampleData = {
      people: [{ key: "ana", handles: ["+15550100001"] }, { key: "bo", handles: ["bo@example.com"] }],
      conversations: [
        {
          participants: ["ana"],
          messages: [
            { from: "ana", sentAt: "2025-03-01T10:00:00Z", bubbles: ["hey", "you up?"] },
            {
              from: "me",
              sentAt: "2025-03-01T12:00:00Z",
              bubbles: ["now I am"],
              tapbacks: [{ from: "ana", kind: "laugh" }],
            },
          ],
        },
        {
          participants: ["ana", "bo"],
          groupName: "Trip",
          messages: [
            {
              from: "bo",
              sentAt: "2025-03-01T11:00:00Z",
              bubbles: ["photo"],
              files: [{ name: "a.jpg", mimeType: "image/jpeg" }],
            },
            {
              from: "ana",
              sentAt: "2025-03-01T13:00:00Z",
              bubbles: ["nice"],
              edited: { text: "nice!", at: "2025-03-01T13:01:00Z" },
            },
          ],
        },
      ],
    };
    assert.deepEqual(buildSampleMessages(path, data), { chats: 2, messages: 6, tapbacks: 1 });
    const read = readAll(path);
    assert.deepEqual(read.map(textOf), [
      "hey",
      "you up?",
      "\ufffc",
      "photo",
      "now I am",
      "Laughed at “now I am”",
      "nice!",
    ]);
    const group = "chat100000001";
    const ana = "+15550100001";
    assert.deepEqual(read.map(({ chat }) => chat), [ana, ana, group, group, ana, ana, group]);
  }));

Deno.test("a conversation that names an unknown person is refused", () =>
  inTempFolder((path) => {
    const data = { people: [], conversations: [{ participants: ["cy"], messages: [] }] };
    assert.throws(() => buildSampleMessages(path, data), /no person with the key cy/);
  }));

Deno.test("a bulk database has the requested number of rows of every kind, the newest in the write-ahead log", () =>
  inTempFolder((path) => {
    const counts = bulkChatDb(path, { messages: 3_000, chats: 20, seed: 7 });
    assert.equal(counts.plain + counts.attachments + counts.tapbacks, 3_000);
    assert.ok(counts.edited > 0 && counts.attachments > 0);
    assert.ok(Deno.statSync(`${path}-wal`).size > 0);
    const read = readAll(path);
    assert.equal(read.length, 3_000);
    assert.equal(read.filter(({ tapback }) => tapback >= 2000).length, counts.tapbacks);
    assert.ok(read.every((row) => textOf(row)));
    assert.equal(new Set(read.map(({ chat }) => chat)).size, 20);
  }));
