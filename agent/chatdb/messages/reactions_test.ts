// Checks that tapbacks become the reactions of the message they belong to: adds minus removals, whoever made them.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type ChatDb, createChatDb, type Message } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addTapback } from "../../../tests/support/chat_db/rows.ts";
import { ChatDatabase } from "../file/chat_database.ts";
import { MessageReader } from "./message_reader.ts";
import type { MessageReaction } from "./reactions.ts";

const AT = "2024-06-01T12:00:00.000Z";
const LATER = "2024-06-01T12:00:05.000Z";
const LATEST = "2024-06-01T12:00:09.000Z";
const ANA = "+15550100001";
const BO = "bo@example.com";

interface World {
  db: ChatDb;
  reader: MessageReader;
  target: Message;
  /** Reads the target again, as a sync does when its tapbacks change. */
  reactions: () => MessageReaction[];
}

function withTarget(use: (world: World) => void, options: Parameters<typeof createChatDb>[1] = {}): void {
  const folder = Deno.makeTempDirSync();
  try {
    using db = createChatDb(join(folder, "chat.db"), options);
    const chat = db.addChat({ identifier: "chat1", participants: [ANA, BO] });
    const target = db.addMessage({ chat, from: ANA, sentAt: AT, text: "target" });
    using database = new ChatDatabase(db.store.path);
    const reader = new MessageReader(database);
    const reactions = () => {
      const { lastRowId } = reader.readAfter(0, { nowMs: Date.now() });
      assert.ok(lastRowId >= target.rowId);
      const outcome = reader.readRows([target.rowId], { nowMs: Date.now() }).get(target.rowId);
      return outcome?.kind === "message" ? outcome.message.reactions : assert.fail();
    };
    use({ db, reader, target, reactions });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function words(reactions: readonly MessageReaction[]): string[] {
  return reactions.map(({ kind, emoji, sender }) => `${sender ?? "me"} ${emoji ?? kind}`);
}

Deno.test("a message has its tapbacks in the order they were made, the owner's without a sender", () =>
  withTarget(({ db, target, reactions }) => {
    addTapback(db, { to: target, from: BO, kind: "emoji", emoji: "🦀", sentAt: LATER });
    addTapback(db, { to: target, from: "me", kind: "love", sentAt: LATEST, target: "bare" });
    addTapback(db, { to: target, from: ANA, kind: "question", sentAt: AT, target: "balloon" });
    assert.deepEqual(reactions(), [
      { kind: "question", emoji: null, sender: ANA, reactedAtMs: Date.parse(AT) },
      { kind: "emoji", emoji: "🦀", sender: BO, reactedAtMs: Date.parse(LATER) },
      { kind: "love", emoji: null, sender: null, reactedAtMs: Date.parse(LATEST) },
    ]);
  }));

Deno.test("every kind of tapback is known", () =>
  withTarget(({ db, target, reactions }) => {
    const kinds = ["love", "like", "dislike", "laugh", "emphasize", "question", "emoji", "sticker"] as const;
    for (const [index, kind] of kinds.entries()) {
      addTapback(db, { to: target, from: ANA, kind, sentAt: new Date(Date.parse(AT) + index) });
    }
    assert.deepEqual(reactions().map(({ kind }) => kind), [...kinds]);
  }));

Deno.test("a removed tapback is gone, whether or not Messages keeps its row, and can be added again", () =>
  withTarget(({ db, target, reactions }) => {
    const love = addTapback(db, { to: target, from: ANA, kind: "love", sentAt: AT });
    addTapback(db, { to: target, from: BO, kind: "love", sentAt: AT });
    const removal = { to: target, from: ANA, kind: "love" } as const;
    addTapback(db, { ...removal, sentAt: LATER, removes: love });
    assert.deepEqual(words(reactions()), [`${BO} love`]);
    addTapback(db, { ...removal, sentAt: LATEST });
    assert.deepEqual(words(reactions()), [`${BO} love`, `${ANA} love`]);
    db.store.run(
      "UPDATE message SET associated_message_type = 3000 WHERE date = ?",
      db.store.appleDate(new Date(LATEST)),
    );
    assert.deepEqual(words(reactions()), [`${BO} love`]);
  }));

Deno.test("one emoji is removed alone, and all of a person's when the removal names none", () =>
  withTarget(({ db, target, reactions }) => {
    for (const emoji of ["🦀", "🎉"]) {
      addTapback(db, { to: target, from: ANA, kind: "emoji", emoji, sentAt: AT });
    }
    const take = (emoji: string | undefined, sentAt: string) => {
      const { rowId } = addTapback(db, { to: target, from: ANA, kind: "emoji", emoji, sentAt });
      db.store.run("UPDATE message SET associated_message_type = 3006 WHERE ROWID = ?", rowId);
    };
    take("🦀", LATER);
    assert.deepEqual(words(reactions()), [`${ANA} 🎉`]);
    take(undefined, LATEST);
    assert.deepEqual(reactions(), []);
  }));

Deno.test("the same reaction to two parts of a message is one, until it is removed from both", () =>
  withTarget(({ db, target, reactions }) => {
    const [first, second] = [0, 1].map((part) =>
      addTapback(db, { to: target, from: ANA, kind: "like", sentAt: AT, part })
    );
    assert.deepEqual(words(reactions()), [`${ANA} like`]);
    db.deleteMessage(first ?? assert.fail());
    assert.deepEqual(words(reactions()), [`${ANA} like`]);
    db.deleteMessage(second ?? assert.fail());
    assert.deepEqual(reactions(), []);
  }));

Deno.test("a tapback from an unknown sender is left out, so that it is never attributed to the owner", () =>
  withTarget(({ db, target, reactions }) => {
    const { rowId } = addTapback(db, { to: target, from: ANA, kind: "like", sentAt: AT });
    db.store.run("UPDATE message SET handle_id = 0 WHERE ROWID = ?", rowId);
    assert.deepEqual(reactions(), []);
  }));

Deno.test("a tapback outlives its message, and then belongs to none", () =>
  withTarget(({ db, reader, target }) => {
    addTapback(db, { to: target, from: BO, kind: "love", sentAt: LATER });
    db.deleteMessage(target);
    const { messages, skippedRows } = reader.readAfter(0, { nowMs: Date.now() });
    assert.deepEqual(messages, []);
    assert.deepEqual(skippedRows, [{
      rowId: 2,
      reason: "tapback",
      targetGuid: target.guid,
      timestampChecksum: 0,
    }]);
    assert.equal(reader.rowIdOf(target.guid), null);
  }));

Deno.test("a message written after its tapbacks has them", () =>
  withTarget(({ db, reader, target }) => {
    const future = { ...target, guid: "COMES-LATER" };
    addTapback(db, { to: future, from: BO, kind: "laugh", sentAt: LATER });
    const { lastRowId } = reader.readAfter(0, { nowMs: Date.now() });
    db.addMessage({ chat: target.chat, from: ANA, sentAt: AT, text: "late", guid: future.guid });
    const [message] = reader.readAfter(lastRowId, { nowMs: Date.now() }).messages;
    assert.deepEqual(words(message?.reactions ?? []), [`${BO} laugh`]);
  }));

Deno.test("a reader says which message a new tapback belongs to, in each form that Messages writes", () =>
  withTarget(({ db, reader, target }) => {
    for (const form of ["part", "balloon", "bare"] as const) {
      addTapback(db, { to: target, from: BO, kind: "like", sentAt: AT, target: form, part: 12 });
    }
    const { skippedRows } = reader.readAfter(target.rowId, { nowMs: Date.now() });
    assert.deepEqual(skippedRows.map(({ reason, targetGuid }) => [reason, targetGuid]), [
      ["tapback", target.guid],
      ["tapback", target.guid],
      ["tapback", target.guid],
    ]);
  }));

Deno.test("a database from before tapbacks has none", () =>
  withTarget(({ reactions }) => assert.deepEqual(reactions(), []), { generation: "el_capitan" }));
