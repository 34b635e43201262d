// Checks which records come out of a chat.db: text, kinds, people, conversations, and what is skipped.
import assert from "node:assert/strict";
import { editMessage, unsendMessage } from "../../../tests/support/chat_db/edits.ts";
import type { ChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import {
  addAppMessage,
  addAttachmentMessage,
  addSendLater,
  addSystemRow,
  addTapback,
} from "../../../tests/support/chat_db/rows.ts";
import { readAll, readOne, skippedOf, textsOf } from "../../../tests/support/chat_db/read_chat_db.ts";

const AT = "2024-06-01T12:00:00.250Z";
const LATER = "2024-06-01T12:05:00.000Z";
const ANA = "+15550100001";
const BO = "bo@example.com";
const ME = "+15550100000";

Deno.test("an incoming message has all its fields", () => {
  const message = readOne((db) => {
    const chat = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "Hello 🎉", guid: "GUID-1" });
  });
  assert.deepEqual(message, {
    rowId: 1,
    guid: "GUID-1",
    conversation: { id: ANA, isGroup: false, displayName: null, participants: [ANA] },
    direction: "incoming",
    sender: ANA,
    ownAlias: ME,
    kind: "text",
    text: "Hello 🎉",
    subject: null,
    transcript: null,
    sentAtMs: Date.parse(AT),
    editedAtMs: null,
    retractedAtMs: null,
    changedAtMs: null,
    readAtMs: null,
    deliveredAtMs: null,
    replyToGuid: null,
    attachments: [],
    reactions: [],
  });
});

Deno.test("seconds and nanoseconds are distinguished row by row, and a date of 0 means none", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    db.addMessage({ chat, from: ANA, sentAt: LATER, text: "old", dateUnit: "seconds" });
    db.addMessage({ chat, from: ANA, sentAt: LATER, text: "new", dateUnit: "nanoseconds" });
    db.addMessage({ chat, from: ANA, sentAt: LATER, text: "none", columns: { date: 0 } });
  });
  assert.deepEqual(messages.map(({ sentAtMs }) => sentAtMs), [Date.parse(LATER), Date.parse(LATER), null]);
});

Deno.test("the decoded body takes precedence over the text column, which is used when there is no valid body", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const add = (text: string, columns: Record<string, string | Uint8Array | null>) =>
      db.addMessage({ chat, from: ANA, sentAt: AT, text, columns });
    add("body", { text: "column" });
    add("body beside ''", { text: "" });
    add("", { text: "column beside an empty body" });
    add("x", { text: "column alone", attributedBody: null });
    add("x", { text: "column beside a broken body", attributedBody: new Uint8Array([4, 11, 3]) });
    add("x", { text: null, attributedBody: new Uint8Array([4, 11, 3]) });
    add("  spaces kept \r\n", {});
  });
  assert.deepEqual(textsOf(batch), [
    "body",
    "body beside ''",
    "column beside an empty body",
    "column alone",
    "column beside a broken body",
    null,
    "  spaces kept \r\n",
  ]);
  assert.equal(batch.undecodableCount, 1);
});

Deno.test("no string holds NUL characters or lone surrogates", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: "chat7", displayName: "a\0b", participants: [ANA] });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "nul\0inside" });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "half \ud83c of a pair", subject: "\0subject" });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "x", bodyIn: "text" });
    // "hi" and half of a surrogate pair, as no UTF-8 may hold it.
    db.store.run("UPDATE message SET text = CAST(x'6869eda0bc21' AS TEXT) WHERE ROWID = 3");
  });
  assert.deepEqual(messages.map(({ text }) => text), [
    "nulinside",
    "half \ufffd of a pair",
    "hi\ufffd\ufffd\ufffd!",
  ]);
  for (const message of messages) {
    for (const string of [message.text, message.subject, message.conversation?.displayName]) {
      assert.ok(!string?.includes("\0") && (string?.isWellFormed() ?? true));
    }
  }
});

Deno.test("files are listed with name, type and size, in the order of their places in the text", () => {
  const message = readOne((db) => {
    const chat = db.addChat({ identifier: ANA });
    const { rowId } = addAttachmentMessage(db, {
      chat,
      from: ANA,
      sentAt: AT,
      guid: "G",
      files: [
        { name: "second.heic", mimeType: "image/heic", sizeBytes: 0 },
        { name: "first.pdf", mimeType: "application/pdf", sizeBytes: 5_000_000_000 },
        { name: "ABC.pluginPayloadAttachment", mimeType: "application/octet-stream", sizeBytes: 9 },
      ],
    });
    const parts = [{ attachmentGuid: "at_1_G" }, "between", { attachmentGuid: "at_0_G" }];
    const { rowId: sample } = db.addMessage({ chat, from: ANA, sentAt: AT, parts });
    db.store.run(
      "UPDATE message SET attributedBody = (SELECT attributedBody FROM message WHERE ROWID = ?) WHERE ROWID = ?",
      sample,
      rowId,
    );
    db.store.run("DELETE FROM message WHERE ROWID = ?", sample);
  });
  assert.equal(message.kind, "text");
  assert.equal(message.text, "\ufffcbetween\ufffc");
  assert.deepEqual(message.attachments, [
    {
      guid: "at_1_G",
      mimeType: "application/pdf",
      name: "first.pdf",
      sizeBytes: 5_000_000_000,
      isSticker: false,
    },
    { guid: "at_0_G", mimeType: "image/heic", name: "second.heic", sizeBytes: null, isSticker: false },
  ]);
});

Deno.test("messages are of the kinds text, attachment, audio, app and sticker", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const common = { chat, from: ANA, sentAt: AT };
    const picture = { name: "a.png", mimeType: "image/png" };
    addAttachmentMessage(db, { ...common, files: [picture] });
    addAttachmentMessage(db, { ...common, files: [picture], caption: "look" });
    addAttachmentMessage(db, {
      ...common,
      files: [{ name: "Audio Message.caf", mimeType: "audio/x-caf" }],
      transcript: "see you at ten",
    });
    addAttachmentMessage(db, { ...common, files: [{ ...picture, isSticker: true }] });
    addAttachmentMessage(db, { ...common, files: [picture], columns: { associated_message_type: 1000 } });
    addAppMessage(db, {
      ...common,
      bundleId: "com.apple.messages.MSMessageExtensionBalloonPlugin:X:com.example.game",
    });
    addAppMessage(db, {
      ...common,
      bundleId: "com.apple.messages.Polls",
      columns: { associated_message_type: 2 },
    });
    addAppMessage(db, {
      ...common,
      text: "https://example.test/",
      bundleId: "com.apple.messages.URLBalloonProvider",
    });
  });
  assert.deepEqual(batch.messages.map(({ kind, text, transcript }) => [kind, text, transcript]), [
    ["attachment", null, null],
    ["text", "\ufffclook", null],
    ["audio", null, "see you at ten"],
    ["sticker", null, null],
    ["sticker", null, null],
    ["app", null, null],
    ["app", null, null],
    ["text", "https://example.test/", null],
  ]);
});

Deno.test("tapbacks, votes, system rows, drafts and empty rows are skipped and counted", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: "chat9", participants: [ANA, BO] });
    const to = db.addMessage({ chat, from: ANA, sentAt: AT, text: "the only message" });
    const love = addTapback(db, { to, from: BO, kind: "love", sentAt: AT });
    addTapback(db, { to, from: BO, kind: "emoji", emoji: "🎉", sentAt: AT, target: "balloon" });
    addTapback(db, { to, from: BO, kind: "love", sentAt: AT, removes: love });
    addTapback(db, { to, from: "me", kind: "sticker", sentAt: AT, target: "bare" });
    for (const type of [4000, 4001, 1]) {
      db.addMessage({ chat, from: BO, sentAt: AT, text: "?", columns: { associated_message_type: type } });
    }
    addSystemRow(db, { chat, kind: "renamed", by: ANA, at: AT, title: "Trip" });
    addSystemRow(db, { chat, kind: "left", by: BO, at: AT });
    addSystemRow(db, { chat, kind: "shareplay", by: BO, at: AT });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "note", columns: { is_system_message: 1 } });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "note", columns: { is_service_message: 1 } });
    addSendLater(db, { chat, sentAt: "2124-06-01T12:00:00Z", text: "happy birthday" });
    db.addMessage({ chat, from: ANA, sentAt: AT });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "" });
  });
  assert.deepEqual(textsOf(batch), ["the only message", "note", "note"], "what a service says has words");
  assert.deepEqual(skippedOf(batch), {
    tapback: 3,
    poll_vote: 1,
    unknown_association: 2,
    system: 3,
    scheduled: 1,
    empty: 2,
  });
  assert.equal(batch.lastRowId, 16, "skipped rows move the mark");
});

Deno.test("a message sent later than planned is a message once it is sent", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    addSendLater(db, { chat, sentAt: AT, text: "sent in time", columns: { is_sent: 1 } });
    addSendLater(db, { chat, sentAt: "2124-06-01T12:00:00Z", text: "not yet", columns: { is_sent: 1 } });
    addSendLater(db, { chat, sentAt: AT, text: "never sent" });
  });
  assert.deepEqual(textsOf(batch), ["sent in time"]);
  assert.deepEqual(skippedOf(batch), { scheduled: 2 });
});

Deno.test("an edit keeps the new text and its time, and an unsent part leaves the rest", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const edited = db.addMessage({ chat, from: ANA, sentAt: AT, text: "befor" });
    editMessage(db, { message: edited, at: LATER, text: "before" });
    const parts = [{ text: "gone ", part: 0 }, { text: "left", part: 1 }];
    unsendMessage(db, {
      message: db.addMessage({ chat, from: ANA, sentAt: AT, parts }),
      at: LATER,
      parts: [0],
    });
  });
  assert.deepEqual(messages.map(({ text, editedAtMs, retractedAtMs }) => [text, editedAtMs, retractedAtMs]), [
    ["before", Date.parse(LATER), null],
    ["left", Date.parse(LATER), null],
  ]);
});

Deno.test("an unsent message has no text and no files, and the time of the unsend", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    unsendMessage(db, { message: db.addMessage({ chat, from: ANA, sentAt: AT, text: "oops" }), at: LATER });
    const files = [{ name: "a.png", mimeType: "image/png" }];
    unsendMessage(db, {
      message: addAttachmentMessage(db, { chat, from: ANA, sentAt: AT, files }),
      at: LATER,
    });
    const marked = db.addMessage({ chat, from: ANA, sentAt: AT });
    const set = { date_retracted: db.store.appleDate(new Date(LATER)) };
    db.store.update("message", { rowId: marked.rowId, set });
  });
  assert.equal(messages.length, 3);
  for (const { text, attachments, editedAtMs, retractedAtMs } of messages) {
    assert.deepEqual({ text, attachments, editedAtMs, retractedAtMs }, {
      text: null,
      attachments: [],
      editedAtMs: null,
      retractedAtMs: Date.parse(LATER),
    });
  }
});

Deno.test("an edited row whose body is damaged is not mistaken for an unsent one", () => {
  const message = readOne((db) => {
    const chat = db.addChat({ identifier: ANA });
    const added = db.addMessage({ chat, from: ANA, sentAt: AT, text: "x" });
    editMessage(db, { message: added, at: LATER, text: "y" });
    const set = { attributedBody: new Uint8Array([1, 2, 3]), part_count: 0 };
    db.store.update("message", { rowId: added.rowId, set });
  });
  assert.equal(message.retractedAtMs, null);
  assert.equal(message.editedAtMs, Date.parse(LATER));
});

Deno.test("a threaded reply names its root, and the previous message of the chat is not one", () => {
  const { messages } = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const root = db.addMessage({ chat, from: ANA, sentAt: AT, text: "root", guid: "ROOT" });
    db.addMessage({ chat, from: "me", sentAt: AT, text: "next" });
    db.addMessage({ chat, from: "me", sentAt: AT, text: "reply", replyTo: root });
  });
  assert.deepEqual(messages.map(({ replyToGuid }) => replyToGuid), [null, null, "ROOT"]);
});

Deno.test("direction is is_from_me, and an own message never has the handle in its row as sender", () => {
  const { messages } = readAll((db) => {
    const direct = db.addChat({ identifier: ANA });
    db.addMessage({ chat: direct, from: "me", sentAt: AT, text: "carries Ana's handle" });
    db.addMessage({
      chat: direct,
      from: "me",
      sentAt: AT,
      text: "b",
      columns: { destination_caller_id: null },
    });
    db.addMessage({
      chat: direct,
      from: "me",
      sentAt: AT,
      text: "c",
      columns: { destination_caller_id: null, account: "e:" },
    });
    db.addMessage({ chat: direct, from: ANA, sentAt: AT, text: "d", columns: { handle_id: 0 } });
    db.addMessage({ chat: direct, from: ANA, sentAt: AT, text: "e", columns: { handle_id: 999 } });
  }, { me: "Me@Example.com" });
  assert.deepEqual(messages.map(({ direction, sender }) => [direction, sender]), [
    ["outgoing", "me@example.com"],
    ["outgoing", "me@example.com"],
    ["outgoing", "me@example.com"],
    ["incoming", null],
    ["incoming", null],
  ]);
});

Deno.test("the iMessage, SMS and RCS chats of one handle are one conversation, before and after the guid rewrite", () => {
  const write = (db: ChatDb) => {
    for (const service of ["iMessage", "SMS", "RCS"] as const) {
      const chat = db.addChat({ identifier: BO.toUpperCase(), service, group: false });
      db.addMessage({ chat, from: BO.toUpperCase(), sentAt: AT, text: service });
    }
  };
  const before = readAll(write, { generation: "sequoia" });
  const after = readAll((db) => {
    write(db);
    // The chat in use; its guid can be given to one chat only.
    db.store.run("UPDATE chat SET guid = 'any' || substr(guid, instr(guid, ';')) WHERE ROWID = 1");
  }, { generation: "sequoia" });
  for (const { messages } of [before, after]) {
    assert.equal(messages.length, 3);
    for (const { conversation, sender } of messages) {
      assert.deepEqual(conversation, { id: BO, isGroup: false, displayName: null, participants: [BO] });
      assert.equal(sender, BO);
    }
  }
});

Deno.test("a group lists present members and former ones who wrote", () => {
  const { messages } = readAll((db) => {
    const [ana, bo, cy] = [ANA, BO, "+15550100003"].map((id) => db.addHandle(id));
    assert.ok(ana && bo && cy);
    const chat = db.addChat({ identifier: "chat5", displayName: "Trip", participants: [ana, bo, cy] });
    db.addMessage({ chat, from: bo, sentAt: AT, text: "bye" });
    addSystemRow(db, { chat, kind: "participant_removed", by: ana, who: bo, at: AT });
    addSystemRow(db, { chat, kind: "participant_removed", by: ana, who: cy, at: AT });
    db.addMessage({ chat, from: ana, sentAt: AT, text: "gone" });
  });
  assert.deepEqual(messages.at(-1)?.conversation?.participants, [ANA, BO]);
  assert.equal(messages[0]?.conversation?.displayName, "Trip");
});

Deno.test("a message in two chats is read once, in the lower", () => {
  const message = readOne((db) => {
    const first = db.addChat({ identifier: ANA });
    const second = db.addChat({ identifier: BO, group: false });
    db.joinMessage(db.addMessage({ chat: second, from: BO, sentAt: AT, text: "both" }), first);
  });
  assert.equal(message.conversation?.id, ANA);
});

Deno.test("an orphan has no conversation, unless it names the room of a group", () => {
  const { messages } = readAll((db) => {
    db.addChat({ identifier: "chat77", groupId: "ROOM", participants: [ANA] });
    db.addMessage({ chat: null, from: ANA, sentAt: AT, text: "lost" });
    db.addMessage({
      chat: null,
      from: ANA,
      sentAt: AT,
      text: "found",
      columns: { cache_roomnames: "chat77" },
    });
  });
  assert.deepEqual(messages.map(({ text, conversation }) => [text, conversation?.id]), [
    ["lost", undefined],
    ["found", "ROOM"],
  ]);
});

Deno.test("a message in Recently Deleted is skipped, and read again once recovered", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    const [deleted, recovered] = ["deleted", "recovered"].map((text) =>
      db.addMessage({ chat, from: ANA, sentAt: AT, text })
    );
    assert.ok(deleted && recovered);
    for (const message of [deleted, recovered]) db.moveToRecentlyDeleted(message, LATER);
    db.recoverMessage(recovered, LATER);
  });
  assert.deepEqual(textsOf(batch), ["recovered"]);
  assert.deepEqual(skippedOf(batch), { recently_deleted: 1 });
});

Deno.test("one of the two rows of a note to oneself is read, and the same note written twice is two notes", () => {
  const batch = readAll((db) => {
    const self = db.addChat({ identifier: ME });
    const other = db.addChat({ identifier: ANA });
    const seconds = (s: number) => new Date(Date.parse(AT) + s * 1_000);
    db.addSelfChatTwins({ chat: self, sentAt: AT, text: "milk" });
    db.addSelfChatTwins({ chat: self, sentAt: seconds(1), text: "milk" });
    db.addMessage({ chat: self, from: "me", sentAt: seconds(60), text: "bread" });
    db.addMessage({ chat: self, from: ME, sentAt: seconds(61.5), text: "bread" });
    db.addMessage({ chat: self, from: "me", sentAt: seconds(70), text: "only sent" });
    db.addMessage({ chat: self, from: ME, sentAt: seconds(90), text: "only sent" });
    db.addMessage({ chat: other, from: "me", sentAt: AT, text: "echo" });
    db.addMessage({ chat: other, from: ANA, sentAt: AT, text: "echo" });
  });
  assert.deepEqual(textsOf(batch), ["milk", "milk", "bread", "only sent", "only sent", "echo", "echo"]);
  assert.deepEqual(skippedOf(batch), { self_chat_twin: 3 });
});
