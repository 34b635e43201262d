/** Tests of what `agent sync` does about rows that Messages changed after they were sent, of `--since` and `--dry-run`. */
import assert from "node:assert/strict";
import type { SyncMessage, SyncMessagesRequest } from "../../contract/sync.ts";
import { writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { AgentHome } from "../../tests/support/mac/agent_home.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { editMessage, unsendMessage } from "../../tests/support/chat_db/edits.ts";
import {
  type Chat,
  type ChatDb,
  createChatDb,
  type Message,
} from "../../tests/support/chat_db/chat_db_fixture.ts";
import {
  addAppMessage,
  addAttachmentMessage,
  addSendLater,
  addSystemRow,
  addTapback,
} from "../../tests/support/chat_db/rows.ts";
import { syncCommand } from "./sync_command.ts";

const MAYA = "+15550100001";
const AT = "2026-01-01T10:00:00.000Z";
const EDITED_AT = "2026-01-01T10:05:00.000Z";
const HOUR_MS = 60 * 60 * 1_000;

interface World {
  home: AgentHome;
  db: ChatDb;
  chat: Chat;
  /** Texts of 1, 2 and 3, sent before the test begins. */
  messages: Message[];
}

async function withSyncedMessages(use: (world: World) => Promise<void>): Promise<void> {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const messages = ["1", "2", "3"].map((text) => db.addMessage({ chat, from: MAYA, text, sentAt: AT }));
  await synced(home);
  await use({ home, db, chat, messages });
}

/** Syncs once more; returns the messages that were sent. */
async function synced(home: AgentHome, commandLine = "sync --once"): Promise<SyncMessage[]> {
  const before = home.server.syncRequests.length;
  const run = await home.run(commandLine);
  assert.equal(run.code, 0, run.stderr);
  return home.server.syncRequests.slice(before)
    .flatMap(({ body }) => (body as Partial<SyncMessagesRequest>).messages ?? []);
}

function stored(home: AgentHome, guid: string): SyncMessage {
  return home.server.account.messages.get(guid)?.message ?? assert.fail(`the server has no ${guid}`);
}

function watchedRows(home: AgentHome): number {
  return home.stateRows("SELECT row_id FROM seen_rows WHERE state IS NOT NULL").length;
}

function first(messages: Message[]): Message {
  return messages[0] ?? assert.fail();
}

Deno.test("an edited message is sent again with its new text and time, once", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    editMessage(db, { message: first(messages), text: "one", at: EDITED_AT });
    const sent = await synced(home);
    assert.deepEqual(sent.map(({ text, editedAt }) => [text, editedAt]), [["one", EDITED_AT]]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("edits are found in whatever order they reach the Mac, and several of the same moment", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const [one, two, three] = messages;
    assert.ok(one && two && three);
    editMessage(db, { message: one, text: "new", at: "2026-01-03T10:00:00Z" });
    assert.equal((await synced(home)).length, 1);
    editMessage(db, { message: two, text: "older edit, later here", at: "2026-01-02T10:00:00Z" });
    editMessage(db, { message: three, text: "same moment", at: "2026-01-03T10:00:00Z" });
    const texts = (await synced(home)).map(({ text }) => text);
    assert.deepEqual(texts.sort(), ["older edit, later here", "same moment"]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("an edit that Messages stored without a timestamp is found while the message is recent", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    editMessage(db, { message: first(messages), text: "no timestamp", at: EDITED_AT, setDateEdited: false });
    assert.deepEqual((await synced(home)).map(({ text }) => text), ["no timestamp"]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a change without a timestamp is found even when very many rows came after it", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    editMessage(db, { message: first(messages), text: "no timestamp", at: EDITED_AT, setDateEdited: false });
    db.store.atomically(() => {
      for (let index = 0; index < 3_000; index++) {
        db.addMessage({ chat, from: MAYA, text: `${index}`, sentAt: AT });
      }
    });
    await synced(home);
    assert.equal(stored(home, first(messages).guid).text, "no timestamp");
    assert.equal(watchedRows(home), 500, "only the newest are watched");
  }));

Deno.test("an hour after a message was sent it is no longer compared, and its row no longer watched", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const later = { ...home.services(), now: () => Date.now() + 2 * HOUR_MS };
    await syncCommand({ once: true }, later);
    assert.equal(watchedRows(home), 0);
    editMessage(db, { message: first(messages), text: "no timestamp", at: EDITED_AT, setDateEdited: false });
    assert.deepEqual(await synced(home), []);
  }));

/** Sets a row's timestamps as Messages does. */
function setTimestamps(
  db: ChatDb,
  { rowId }: { rowId: number },
  columns: { read?: string; delivered?: string },
): void {
  const { read, delivered } = columns;
  const date = (at: string | undefined) => at === undefined ? undefined : db.store.appleDate(new Date(at));
  const flags = { is_read: read && 1, is_delivered: delivered && 1 };
  const set = { ...flags, date_read: date(read), date_delivered: date(delivered) };
  db.store.update("message", { rowId, set });
}

/** Long after the newest row: only timestamps are compared. */
async function muchLater(home: AgentHome): Promise<void> {
  await syncCommand({ once: true }, { ...home.services(), now: () => Date.now() + 2 * HOUR_MS });
}

Deno.test("an own message is sent again when it was delivered and when it was read, once each, however late", () =>
  withSyncedMessages(async ({ home, db, chat }) => {
    const mine = db.addMessage({ chat, from: "me", text: "mine", sentAt: AT });
    assert.deepEqual((await synced(home)).map(({ deliveredAt }) => deliveredAt), [undefined]);
    setTimestamps(db, mine, { delivered: AT });
    const times = async () => (await synced(home)).map(({ readAt, deliveredAt }) => [deliveredAt, readAt]);
    assert.deepEqual(await times(), [[AT, undefined]]);
    await muchLater(home);
    setTimestamps(db, mine, { read: EDITED_AT });
    assert.deepEqual(await times(), [[AT, EDITED_AT]]);
    assert.deepEqual(await times(), []);
  }));

Deno.test("all messages that are read at once are found, and one that another device had read long before", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    const more = Array.from(
      { length: 200 },
      (_, index) => db.addMessage({ chat, from: MAYA, text: `unread ${index}`, sentAt: AT }),
    );
    await synced(home);
    await muchLater(home);
    for (const message of more) setTimestamps(db, message, { read: EDITED_AT });
    assert.deepEqual(new Set((await synced(home)).map(({ readAt }) => readAt)), new Set([EDITED_AT]));
    assert.deepEqual(more.map(({ guid }) => stored(home, guid).readAt), more.map(() => EDITED_AT));
    setTimestamps(db, first(messages), { read: AT });
    assert.deepEqual((await synced(home)).map(({ text, readAt }) => [text, readAt]), [["1", AT]]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a timestamp set on a row that is not a message sends nothing, at the first sync or later", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const love = addTapback(db, { to: first(messages), from: MAYA, kind: "love", sentAt: AT });
    setTimestamps(db, love, { read: AT });
    assert.equal((await synced(home)).length, 1, "the message that it belongs to");
    await muchLater(home);
    setTimestamps(db, love, { read: EDITED_AT });
    assert.deepEqual(await synced(home), []);
    await home.forgetState();
    assert.equal((await synced(home)).length, 3);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a message older than the newest thousands that is read, edited or deleted is sent again alone, once", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    const [one, two, three] = messages;
    assert.ok(one && two && three);
    db.store.atomically(() => {
      for (let index = 0; index < 6_000; index++) {
        db.addMessage({ chat, from: MAYA, text: `${index}`, sentAt: AT, readAt: AT });
      }
    });
    assert.equal((await synced(home)).length, 6_000);
    await muchLater(home);
    assert.deepEqual(await synced(home), []);
    setTimestamps(db, one, { read: EDITED_AT });
    editMessage(db, { message: two, text: "two", at: EDITED_AT });
    assert.deepEqual((await synced(home)).map(({ imessageGuid }) => imessageGuid), [one.guid, two.guid]);
    assert.deepEqual([stored(home, one.guid).readAt, stored(home, two.guid).text], [EDITED_AT, "two"]);
    assert.deepEqual(await synced(home), []);
    db.deleteMessage(two);
    assert.deepEqual(await synced(home), []);
    assert.equal(home.server.account.messages.has(two.guid), false);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a receipt that the server did not acknowledge is sent by the next sync", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    await muchLater(home);
    setTimestamps(db, first(messages), { read: EDITED_AT });
    home.server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 300 });
    assert.equal((await home.run("sync --once")).code, 1);
    home.server.interfere = () => null;
    assert.deepEqual((await synced(home)).map(({ readAt }) => readAt), [EDITED_AT]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("an unsent message is sent again without words, files and edit time", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    const files = [{ name: "IMG.HEIC", mimeType: "image/heic" }];
    const photo = addAttachmentMessage(db, { chat, from: MAYA, sentAt: AT, files });
    await synced(home);
    unsendMessage(db, { message: first(messages), at: EDITED_AT });
    unsendMessage(db, { message: photo, at: EDITED_AT });
    assert.equal((await synced(home)).length, 2);
    for (const { guid } of [first(messages), photo]) {
      const { text, editedAt, retractedAt, attachments } = stored(home, guid);
      assert.deepEqual([text, editedAt, retractedAt, attachments], [null, undefined, EDITED_AT, []]);
    }
  }));

Deno.test("a tapback becomes a reaction of its message, and goes when it is taken back", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const to = first(messages);
    const love = addTapback(db, { to, from: MAYA, kind: "love", sentAt: AT });
    const mine = addTapback(db, { to, from: "me", kind: "emoji", emoji: "🦀", sentAt: EDITED_AT });
    const [sent, ...others] = await synced(home);
    assert.deepEqual(others, []);
    assert.deepEqual(sent?.reactions, [
      { kind: "love", senderId: MAYA, reactedAt: AT },
      { kind: "emoji", emoji: "🦀", senderId: null, reactedAt: EDITED_AT },
    ]);
    addTapback(db, { to, from: MAYA, kind: "love", sentAt: EDITED_AT, removes: love });
    assert.deepEqual((await synced(home)).at(-1)?.reactions?.map(({ kind }) => kind), ["emoji"]);
    db.deleteMessage(mine);
    assert.deepEqual((await synced(home)).map(({ reactions }) => reactions), [[]]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a first sync sends each message once, with the reactions it has by then", async () => {
  await using home = await AgentHome.paired();
  const { tapbacks } = bulkChatDb(home.chatDb, { messages: 4_000 });
  assert.ok(tapbacks > 50);
  const run = await home.run("sync --once --json");
  const { messages } = JSON.parse(run.stdout);
  assert.deepEqual([messages.updated, messages.unchanged, messages.resent], [0, 0, 0]);
  const reactions = [...home.server.account.messages.values()].flatMap(({ message }) =>
    message.reactions ?? []
  );
  assert.ok(reactions.length > 0 && reactions.length <= tapbacks);
  assert.deepEqual(await synced(home), []);
});

Deno.test("a draft for later is sent under its old ROWID once Messages has sent it", () =>
  withSyncedMessages(async ({ home, db, chat }) => {
    const draft = addSendLater(db, { chat, sentAt: "2100-01-01T00:00:00Z", text: "later" });
    db.addMessage({ chat, from: MAYA, text: "between", sentAt: AT });
    assert.deepEqual((await synced(home)).map(({ text }) => text), ["between"]);
    db.store.update("message", {
      rowId: draft.rowId,
      set: { is_sent: 1, date: db.store.appleDate(new Date(AT)) },
    });
    assert.deepEqual((await synced(home)).map(({ text, sentAt }) => [text, sentAt]), [["later", AT]]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a message that is brought back from Recently Deleted is sent, also when it never was", () =>
  withSyncedMessages(async ({ home, db, chat }) => {
    const message = db.addMessage({ chat, from: MAYA, text: "deleted, then back", sentAt: AT });
    db.moveToRecentlyDeleted(message, AT);
    assert.deepEqual(await synced(home), []);
    db.recoverMessage(message, EDITED_AT);
    assert.deepEqual((await synced(home)).map(({ text }) => text), ["deleted, then back"]);
  }));

Deno.test("a message is sent once it is no longer junk", () =>
  withSyncedMessages(async ({ home, db }) => {
    const chat = db.addChat({ identifier: "bo@example.com", columns: { is_filtered: 2 } });
    db.addMessage({ chat, from: "bo@example.com", text: "no prize", sentAt: AT });
    assert.deepEqual(await synced(home), []);
    db.store.run("UPDATE chat SET is_filtered = 0");
    assert.deepEqual((await synced(home)).map(({ text }) => text), ["no prize"]);
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a link preview takes the place of the row that Messages deletes for it", () =>
  withSyncedMessages(async ({ home, db, chat }) => {
    const link = { chat, from: MAYA, text: "https://example.test/", sentAt: AT };
    const options = { ...link, bundleId: "com.apple.messages.URLBalloonProvider" };
    const [placeholder, preview] = [addAppMessage(db, options), addAppMessage(db, options)];
    assert.equal((await synced(home)).length, 1);
    db.deleteMessage(placeholder);
    await synced(home);
    const links = [...home.server.account.messages].filter(([, { message }]) => message.text === link.text);
    assert.deepEqual(links.map(([guid]) => guid), [preview.guid]);
  }));

Deno.test("a link preview that was sent before its words is deleted on the server once they are sent", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    const link = "https://example.test/a";
    const bundleId = "com.apple.messages.URLBalloonProvider";
    const preview = addAppMessage(db, { chat, from: MAYA, text: link, sentAt: AT, bundleId });
    assert.equal((await synced(home)).length, 1);
    const words = db.addMessage({ chat, from: MAYA, text: `see ${link}`, sentAt: AT });
    // The row is read again for its own sake too, before it is compared with what was sent.
    setTimestamps(db, preview, { read: EDITED_AT });
    addTapback(db, { to: preview, from: "me", kind: "love", sentAt: AT });
    const known = () => [...home.server.account.messages.keys()];
    assert.deepEqual((await synced(home)).map(({ text }) => text), [`see ${link}`]);
    assert.deepEqual(known(), [...messages, words].map(({ guid }) => guid));
    const before = home.server.syncRequests.length;
    await synced(home);
    assert.equal(home.server.syncRequests.length, before, "the deletion is reported once");
    db.deleteMessage(words);
    await synced(home);
    assert.deepEqual(
      known(),
      [...messages, preview].map(({ guid }) => guid),
      "it stands for the words again",
    );
  }));

Deno.test("a link preview that no timestamp or tapback points to is deleted once its words are sent", () =>
  withSyncedMessages(async ({ home, db, chat, messages }) => {
    const text = "https://example.test/b";
    const bundleId = "com.apple.messages.URLBalloonProvider";
    addAppMessage(db, { chat, from: "me", text, sentAt: AT, bundleId });
    assert.equal((await synced(home)).length, 1);
    const words = db.addMessage({ chat, from: "me", text: `安装：${text}`, sentAt: AT });
    home.server.interfere = ({ path }) =>
      path === "/api/sync/deletions" ? { status: "database_unavailable", retryAfterSeconds: 300 } : null;
    assert.equal((await home.run("sync --once")).code, 1);
    home.server.interfere = () => null;
    await synced(home);
    assert.deepEqual([...home.server.account.messages.keys()], [...messages, words].map(({ guid }) => guid));
  }));

Deno.test("what changes on an old message while it lies in Recently Deleted is sent when it is brought back", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const [reacted, edited] = messages;
    assert.ok(reacted && edited);
    await syncCommand({ once: true }, { ...home.services(), now: () => Date.now() + 2 * HOUR_MS });
    addTapback(db, { to: reacted, from: MAYA, kind: "love", sentAt: EDITED_AT });
    editMessage(db, { message: edited, text: "edited", at: EDITED_AT });
    for (const message of [reacted, edited]) db.moveToRecentlyDeleted(message, EDITED_AT);
    await synced(home);
    for (const message of [reacted, edited]) db.recoverMessage(message, EDITED_AT);
    await synced(home);
    assert.deepEqual(stored(home, reacted.guid).reactions?.map(({ kind }) => kind), ["love"]);
    assert.equal(stored(home, edited.guid).text, "edited");
    assert.deepEqual(await synced(home), []);
  }));

Deno.test("a message that was permanently deleted is deleted on the server, and its guid is reported once", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const [one, two, three] = messages;
    assert.ok(one && two && three);
    db.deleteMessage(two);
    const { stdout } = await home.run("sync --once");
    assert.match(stdout, /^ {2}1 were deleted in Messages, and now on the server\.$/m);
    assert.deepEqual([...home.server.account.messages.keys()], [one.guid, three.guid]);
    assert.match((await home.run("status")).stdout, /known already, 1 deleted;/);
    const before = home.server.syncRequests.length;
    await synced(home);
    assert.equal(home.server.syncRequests.length, before);
  }));

Deno.test("a deletion that the server did not acknowledge is reported by the next sync", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    db.deleteMessage(first(messages));
    home.server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 300 });
    assert.equal((await home.run("sync --once")).code, 1);
    home.server.interfere = () => null;
    await synced(home);
    assert.equal(home.server.account.messages.size, 2);
  }));

Deno.test("a message in Recently Deleted is deleted on the server, and stored again when it is brought back", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const message = first(messages);
    await syncCommand({ once: true }, { ...home.services(), now: () => Date.now() + 2 * HOUR_MS });
    db.moveToRecentlyDeleted(message, EDITED_AT);
    assert.deepEqual(await synced(home), []);
    assert.equal(home.server.account.messages.has(message.guid), false);
    const before = home.server.syncRequests.length;
    await synced(home);
    assert.equal(home.server.syncRequests.length, before, "it is reported once");
    db.recoverMessage(message, EDITED_AT);
    assert.deepEqual((await synced(home)).map(({ text }) => text), ["1"]);
    assert.equal(stored(home, message.guid).text, "1");
  }));

Deno.test("deletions before the first sync are not reported, and before a sync that starts over all of them are", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const [gone, kept] = ["gone", "kept"].map((text) => db.addMessage({ chat, from: MAYA, text, sentAt: AT }));
  assert.ok(gone && kept);
  db.deleteMessage(gone);
  const deletions = () => home.server.syncRequests.filter(({ path }) => path.endsWith("/deletions"));
  await synced(home);
  assert.deepEqual(deletions(), []);
  await Deno.writeTextFile(`${home.dataDir}/agent.db`, "broken");
  await synced(home);
  assert.deepEqual(deletions().map(({ body }) => body), [{ imessageGuids: [gone.guid] }]);
});

Deno.test("a message whose chat comes after it was taken for an orphan moves to its conversation", () =>
  withSyncedMessages(async ({ home, db, chat }) => {
    const late = db.addMessage({ chat, from: MAYA, text: "late", sentAt: AT, joinLater: true });
    await syncCommand({ once: true }, { ...home.services(), now: () => Date.now() + HOUR_MS / 2 });
    assert.notEqual(home.server.account.messages.get(late.guid)?.conversation, MAYA);
    db.joinMessage(late, chat);
    await synced(home);
    assert.equal(home.server.account.messages.get(late.guid)?.conversation, MAYA);
  }));

Deno.test("a group that is renamed has its new name with the next sync, although nobody writes", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const group = db.addChat({ identifier: "chat1", groupId: "G", displayName: "Old", participants: [MAYA] });
  db.addMessage({ chat: group, from: MAYA, text: "hi", sentAt: AT });
  await synced(home);
  const name = () => home.server.account.conversations.get("G")?.displayName;
  assert.equal(name(), "Old");
  addSystemRow(db, { chat: group, kind: "renamed", by: MAYA, at: AT, title: "New" });
  await synced(home);
  assert.equal(name(), "New");
  db.store.update("chat", { rowId: group.rowId, set: { display_name: "Newer" } });
  await synced(home);
  assert.equal(name(), "Newer", "also without a row that tells of it");
  addSystemRow(db, { chat: group, kind: "renamed", by: MAYA, at: AT, title: null });
  await synced(home);
  assert.equal(name(), null, "a name that was taken away");
  const sent = home.server.syncRequests.length;
  await synced(home);
  const batches = home.server.syncRequests.slice(sent).filter(({ path }) => path.endsWith("/messages"));
  assert.deepEqual(batches, [], "once");
});

Deno.test("a conversation that turns out to be another one moves there with its history", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const half = db.addChat({
    identifier: "01711234567",
    participants: [db.addHandle("01711234567", { country: null })],
  });
  const group = db.addChat({ identifier: "chat1", groupId: "G1", participants: [MAYA] });
  const old = [0, 1, 2].map((index) =>
    db.addMessage({ chat: half, from: "01711234567", text: `${index}`, sentAt: AT })
  );
  const inGroup = db.addMessage({ chat: group, from: MAYA, text: "hi", sentAt: AT });
  await synced(home);
  const conversationOf = ({ guid }: Message) => home.server.account.messages.get(guid)?.conversation;
  const placesOf = () => [...old, inGroup].map(conversationOf);
  assert.deepEqual(placesOf(), ["01711234567", "01711234567", "01711234567", "G1"]);
  const complete = db.addChat({ identifier: "+491711234567" });
  db.addMessage({ chat: complete, from: "+491711234567", text: "3", sentAt: AT });
  db.store.update("chat", { rowId: group.rowId, set: { original_group_id: "G0" } });
  await syncCommand({ once: true }, { ...home.services(), now: () => Date.now() + 2 * HOUR_MS });
  assert.deepEqual(placesOf(), ["+491711234567", "+491711234567", "+491711234567", "G0"]);
  assert.deepEqual(await synced(home), [], "once");
  home.services().store.write((state) => state.run("DELETE FROM documents WHERE id = 'conversations'"));
  assert.deepEqual((await synced(home)).map(({ text }) => text), ["0", "1", "2"], "as after an update");
});

Deno.test("a change that the server did not acknowledge is sent by the next sync", () =>
  withSyncedMessages(async ({ home, db, messages }) => {
    const to = first(messages);
    editMessage(db, { message: to, text: "edited", at: EDITED_AT });
    addTapback(db, { to, from: MAYA, kind: "like", sentAt: EDITED_AT });
    home.server.interfere = ({ path }) =>
      path.endsWith("/messages") ? { status: "database_unavailable", retryAfterSeconds: 300 } : null;
    assert.equal((await home.run("sync --once")).code, 1);
    home.server.interfere = () => null;
    await synced(home);
    const { text, reactions } = stored(home, to.guid);
    assert.deepEqual([text, reactions?.map(({ kind }) => kind)], ["edited", ["like"]]);
  }));

Deno.test("rows that are renumbered during a sync are read again, and every message arrives", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  db.store.atomically(() => {
    for (let index = 0; index < 5_000; index++) {
      db.addMessage({ chat, from: MAYA, text: `${index}`, sentAt: AT });
    }
  });
  db.store.sqlite.exec("PRAGMA foreign_keys = OFF");
  let isRenumbered = false;
  home.server.interfere = () => {
    if (isRenumbered || home.server.account.inserted < 2_000) return null;
    isRenumbered = true;
    // The last row becomes the first: a mark alone would pass over it.
    db.store.atomically(() => {
      for (const [table, column] of [["message", "ROWID"], ["chat_message_join", "message_id"]]) {
        db.store.run(`UPDATE ${table} SET ${column} = -(5001 - ${column})`);
        db.store.run(`UPDATE ${table} SET ${column} = -${column}`);
      }
    });
    return null;
  };
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.ok(isRenumbered);
  assert.equal(home.server.account.messages.size, 5_000);
  assert.match(run.stdout, /Messages' database was replaced or rebuilt/);
});

/** Two old messages and two new ones, on either side of a day. */
function writeTwoYears(home: AgentHome): { db: ChatDb; old: Message } {
  const db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const add = (text: string, sentAt: string) => db.addMessage({ chat, from: MAYA, text, sentAt });
  const old = add("old", "2024-05-01T10:00:00Z");
  add("old too", "2024-05-02T10:00:00Z");
  add("new", "2025-05-01T10:00:00Z");
  add("new too", "2025-05-02T10:00:00Z");
  return { db, old };
}

Deno.test("--since leaves out what is older, in later syncs as well, until another date is given", async () => {
  await using home = await AgentHome.paired();
  const { db, old } = writeTwoYears(home);
  using _db = db;
  const run = await home.run("sync --since 2025-01-01");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /2 are older than --since and were left out/);
  const texts = () => [...home.server.account.messages.values()].map(({ message }) => message.text).sort();
  assert.deepEqual(texts(), ["new", "new too"]);

  editMessage(db, { message: old, text: "old edited", at: EDITED_AT });
  db.addMessage({ chat: old.chat, from: MAYA, text: "backfilled", sentAt: "2023-01-01T00:00:00Z" });
  assert.deepEqual(await synced(home), []);
  assert.deepEqual(await synced(home, "sync --since 2025-01-01"), []);

  const again = await home.run("sync --since 2024-01-01");
  assert.match(again.stdout, /Another date was given to --since, so all messages were sent again/);
  assert.deepEqual(texts(), ["new", "new too", "old edited", "old too"]);
});

Deno.test("--since takes a moment as well as a day, and says what it cannot take", async () => {
  await using home = await AgentHome.paired();
  using _db = writeTwoYears(home).db;
  await synced(home, "sync --since 2025-05-02T09:00:00Z");
  assert.equal(home.server.account.messages.size, 1);
  const run = await home.run("sync --since yesterday");
  assert.equal(run.code, 2);
  assert.match(run.stderr, /--since must be a day such as 2024-05-31, not "yesterday"/);
  assert.equal((await home.run("sync --dry-run")).code, 2);
});

Deno.test("a dry run counts what would be sent, sends nothing and leaves no trace", async () => {
  await using home = await AgentHome.create();
  using db = writeTwoYears(home).db;
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
  const unpaired = await home.run("sync --once --dry-run");
  assert.equal(unpaired.code, 0, unpaired.stderr);
  assert.match(unpaired.stdout, /^Contacts: 1 read, 1 to send\.$/m);
  assert.match(unpaired.stdout, /^Messages: 4 to send in 1 conversation, 0 to send again/m);
  assert.match(unpaired.stdout, /^Nothing was sent\.$/m);
  assert.deepEqual([home.server.requests.length, await home.dataFile("agent.db")], [0, null]);

  await home.run("pair");
  await synced(home);
  const [before, state] = [home.server.requests.length, home.syncState()];
  const chat = db.addChat({ identifier: "+15550100002" });
  const added = db.addMessage({ chat, from: "me", text: "to send", sentAt: AT });
  addTapback(db, { to: added, from: "me", kind: "love", sentAt: AT });
  editMessage(db, { message: { ...added, rowId: 1 }, text: "edited", at: EDITED_AT });
  const { contacts, messages } = JSON.parse((await home.run("sync --once --dry-run --json")).stdout);
  assert.deepEqual([contacts.total, contacts.toSend], [1, 0]);
  assert.deepEqual([messages.toSend, messages.conversations, messages.changed, messages.skipped], [
    1,
    1,
    1,
    1,
  ]);
  assert.deepEqual([home.server.requests.length, home.syncState()], [before, state]);
  db.deleteMessage({ ...added, rowId: 2 });
  const counted = await home.run("sync --once --dry-run");
  assert.match(counted.stdout, /^ {2}1 were deleted in Messages and would be deleted on the server\.$/m);
  const since = await home.run("sync --once --dry-run --since 2025-01-01");
  assert.match(since.stdout, /Messages: 3 to send in 2 conversations/);
  assert.match(since.stdout, /1 are older than --since and would be left out/);
});
