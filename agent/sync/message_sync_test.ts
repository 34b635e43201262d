/** Tests of how much work a sync does for a message, and that a dry run counts what a sync does. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { SyncDeletionsRequest } from "../../contract/sync.ts";
import {
  type Chat,
  type ChatDb,
  createChatDb,
  type Message,
} from "../../tests/support/chat_db/chat_db_fixture.ts";
import { editMessage, unsendMessage } from "../../tests/support/chat_db/edits.ts";
import { addSendLater, addTapback } from "../../tests/support/chat_db/rows.ts";
import { AgentHome, capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { syncCommand, type SyncOptions } from "../cli/sync_command.ts";
import type { DryRunReport, MessageSyncReport } from "./sync_run.ts";

const MAYA = "+15550100001";
const NOAH = "+15550100002";
const SENT_AT_MS = Date.parse("2026-01-01T10:00:00Z");
const EDITED_AT = "2026-01-02T10:00:00.000Z";
const HOUR_MS = 60 * 60 * 1_000;
const DELETIONS_PATH = "/api/sync/deletions";

/** How often each of `marks` was serialized, and each of `timesMs` formatted, while `use` ran. */
async function conversionsIn(
  { marks, timesMs }: { marks: readonly string[]; timesMs: readonly number[] },
  use: () => Promise<unknown>,
): Promise<{ serialized: number[]; formatted: number[] }> {
  const [stringify, toISOString] = [JSON.stringify, Date.prototype.toISOString];
  const serialized = marks.map(() => 0);
  const formatted = timesMs.map(() => 0);
  JSON.stringify = (...args: [unknown]) => {
    const json = stringify(...args);
    for (const [index, mark] of marks.entries()) {
      if (json?.includes(mark)) serialized[index] = (serialized[index] ?? 0) + 1;
    }
    return json;
  };
  Date.prototype.toISOString = function () {
    const index = timesMs.indexOf(this.getTime());
    if (index >= 0) formatted[index] = (formatted[index] ?? 0) + 1;
    return toISOString.call(this);
  };
  try {
    await use();
  } finally {
    [JSON.stringify, Date.prototype.toISOString] = [stringify, toISOString];
  }
  return { serialized, formatted };
}

Deno.test("a sync maps and serializes a message once each time it has read it", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const marks = Array.from({ length: 20 }, (_, index) => `<mark ${index}>`);
  const timesMs = marks.map((_, index) => SENT_AT_MS + index * 1_000);
  for (const [index, text] of marks.entries()) {
    db.addMessage({ chat, from: MAYA, text, sentAt: new Date(timesMs[index] ?? 0) });
  }
  const times = (count: number) => ({
    serialized: marks.map(() => count),
    formatted: marks.map(() => count),
  });
  const sync = () => conversionsIn({ marks, timesMs }, () => home.run("sync --once"));
  // Read to be sent, and once more with the rows that Messages may still change.
  assert.deepEqual(await sync(), times(2));
  assert.equal(home.server.account.inserted, marks.length);
  assert.deepEqual(await sync(), times(1));
  assert.equal(home.server.account.unchanged, 0);
});

/** Fields of the JSON reports of a sync and of a dry run. */
type ReportedMessages = MessageSyncReport & DryRunReport["messages"];

const anyIndex = fc.nat({ max: 30 });
const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add"), index: anyIndex }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("sync", "sync", "wait"), index: anyIndex }) },
  fc.record({
    kind: fc.constantFrom("tapback", "untapback", "edit", "unsend", "delete", "put_away", "recover", "later"),
    index: anyIndex,
  }),
);

/** A chat.db of two conversations that changes in every way between the syncs. */
class ChangingDatabase {
  readonly #db: ChatDb;
  readonly #chats: Chat[];
  #messages: Message[] = [];
  #tapbacks: { to: Message; tapback: Message }[] = [];
  #recentlyDeleted: Message[] = [];
  #step = 0;

  constructor(db: ChatDb) {
    this.#db = db;
    this.#chats = [MAYA, NOAH].map((identifier) => db.addChat({ identifier }));
  }

  do(kind: string, index: number): void {
    const sentAt = new Date(SENT_AT_MS + this.#step++ * 1_000);
    const chat = this.#chats[index % 2] ?? assert.fail();
    if (kind === "add") {
      const text = `text ${this.#step}`;
      this.#messages.push(
        this.#db.addMessage({ chat, from: index % 3 ? chat.identifier : "me", text, sentAt }),
      );
    }
    if (kind === "later") addSendLater(this.#db, { chat, text: "later", sentAt: "2099-01-01T10:00:00Z" });
    if (kind === "recover") {
      const message = this.#recentlyDeleted.pop();
      if (message === undefined) return;
      this.#db.recoverMessage(message, sentAt);
      this.#messages.push(message);
    }
    if (kind === "untapback") {
      const last = this.#tapbacks.pop();
      if (last === undefined || !this.#messages.includes(last.to)) return;
      addTapback(this.#db, { to: last.to, from: "me", kind: "like", sentAt, removes: last.tapback });
    }
    const message = this.#messages[index % Math.max(1, this.#messages.length)];
    if (message !== undefined) this.#change(kind, message, sentAt);
  }

  #change(kind: string, message: Message, at: Date): void {
    if (kind === "tapback") {
      const tapback = addTapback(this.#db, { to: message, from: "me", kind: "like", sentAt: at });
      this.#tapbacks.push({ to: message, tapback });
    }
    if (kind === "edit") editMessage(this.#db, { message, text: `edit ${this.#step}`, at: EDITED_AT });
    if (kind === "unsend" || kind === "delete" || kind === "put_away") {
      this.#messages = this.#messages.filter((other) => other !== message);
    }
    if (kind === "unsend") unsendMessage(this.#db, { message, at: EDITED_AT });
    if (kind === "delete") this.#db.deleteMessage(message);
    if (kind === "put_away") {
      this.#db.moveToRecentlyDeleted(message, at);
      this.#recentlyDeleted.push(message);
    }
  }
}

async function reportOf(
  home: AgentHome,
  options: SyncOptions & { nowMs: number },
): Promise<ReportedMessages> {
  const output = capturedOutput();
  const services = { ...home.services({ output }), now: () => options.nowMs };
  assert.equal(await syncCommand({ ...options, once: true, json: true }, services), 0);
  return JSON.parse(output.lines.join("")).messages;
}

/** Compares what a dry run counts with what a sync then sends. */
async function assertDryRunAgrees(home: AgentHome, nowMs: number): Promise<void> {
  const isFirst = home.cursor === null;
  const dryRun = await reportOf(home, { "dry-run": true, nowMs });
  const before = home.server.syncRequests.length;
  const sync = await reportOf(home, { nowMs });
  const deletions = home.server.syncRequests.slice(before).filter(({ path }) => path === DELETIONS_PATH);
  const reported = deletions.flatMap(({ body }) => (body as SyncDeletionsRequest).imessageGuids).length;
  const { inserted, updated, unchanged, resent, skipped, leftOut, undecodable, isIncomplete, restart } = sync;
  const { conversations, ...counted } = dryRun;
  assert.deepEqual(counted, {
    restart,
    toSend: inserted + updated + unchanged - resent,
    changed: resent,
    // The server of a first sync has nothing that could be deleted.
    deleted: isFirst ? 0 : reported,
    skipped,
    leftOut,
    undecodable,
    isIncomplete,
  });
  assert.equal(conversations > 0, counted.toSend > 0);
}

Deno.test("a dry run counts exactly what the next sync sends, however the database has changed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 4, maxLength: 24 }), async (steps) => {
      await using home = await AgentHome.paired();
      using db = createChatDb(home.chatDb);
      const database = new ChangingDatabase(db);
      let nowMs = Date.now();
      for (const { kind, index } of steps) {
        if (kind === "sync") await assertDryRunAgrees(home, nowMs);
        else if (kind === "wait") nowMs += 2 * HOUR_MS;
        else database.do(kind, index);
      }
      await assertDryRunAgrees(home, nowMs);
    }),
    { numRuns: 25 },
  );
});
