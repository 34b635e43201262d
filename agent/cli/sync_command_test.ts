/** Tests of `agent sync --once`: real databases, a server that speaks the contract, and everything that goes wrong. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { SyncMessagesRequest } from "../../contract/sync.ts";
import { MIN_GZIP_BYTES } from "../../lib/http/client.ts";
import { AgentHome, capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { bulkChatDb } from "../../tests/support/chat_db/bulk.ts";
import { type ChatDb, createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import type { StoredAccount } from "../../tests/support/server/contract_server.ts";
import { startSyncProgress, syncCommand } from "./sync_command.ts";

const MAYA = "+15550100001";
const LEO = "leo@example.com";
/** Rows of a bulk database that the agent sends in three rounds. */
const BULK_ROWS = 5_000;

/** A direct chat and a group, with a few messages in turn. */
function writeSmallChatDb(path: string): ChatDb {
  const db = createChatDb(path);
  const direct = db.addChat({ identifier: MAYA });
  const group = db.addChat({
    identifier: "chat100200300",
    participants: [MAYA, LEO],
    displayName: "Climbers",
  });
  const say = (chat: typeof direct, from: string, text: string) =>
    db.addMessage({ chat, from, text, sentAt: "2026-01-01T10:00:00Z" });
  say(direct, MAYA, "the ending was amazing");
  say(group, LEO, "who can drive on thursday");
  say(direct, "me", "i knew you would like it");
  say(group, "me", "leaving at half past five");
  return db;
}

/** Guids of the rows that are messages, in the order they were written, found without the agent's reader. */
function guidsByRow(path: string): string[] {
  using db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare(
    "SELECT guid FROM message WHERE associated_message_type = 0 AND item_type = 0 ORDER BY ROWID",
  ).all();
  return rows.map(({ guid }) => String(guid));
}

/** Every message of the database is stored, none twice, and each conversation has its own in their order. */
function assertStoredExactly(account: StoredAccount, path: string): void {
  const guids = guidsByRow(path);
  assert.equal(account.inserted, guids.length);
  assert.deepEqual(new Set(account.messages.keys()), new Set(guids));
  const place = new Map(guids.map((guid, index) => [guid, index]));
  for (const { guids: stored } of account.conversations.values()) {
    const places = stored.map((guid) => place.get(guid) ?? -1);
    assert.deepEqual(places, places.toSorted((a, b) => a - b));
  }
}

function messagesIn(body: unknown): SyncMessagesRequest["messages"] {
  return (body as Partial<SyncMessagesRequest> | undefined)?.messages ?? [];
}

function storedMark(home: AgentHome): number | null {
  return home.cursor?.database.markRowId ?? null;
}

Deno.test("a first sync sends the contacts and then every message, into its conversation", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA], emails: ["maya@example.com"] }]);
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /^Contacts: 2 read, 2 sent\.$/m);
  assert.match(run.stdout, /^Messages: 4 new, 0 changed, 0 known already/m);

  const { account, syncRequests } = home.server;
  assert.match(syncRequests[0]?.path ?? "", /contacts$/);
  assert.deepEqual([...account.contacts.values()].map(({ displayName }) => displayName), ["Maya", "Maya"]);
  assertStoredExactly(account, home.chatDb);
  const direct = account.conversations.get(MAYA);
  assert.deepEqual({ isGroup: direct?.isGroup, ids: direct?.participantIds }, {
    isGroup: false,
    ids: [MAYA],
  });
  const group = [...account.conversations.values()].find(({ isGroup }) => isGroup);
  assert.equal(group?.displayName, "Climbers");
  assert.deepEqual(new Set(group?.participantIds), new Set([MAYA, LEO]));
  assert.deepEqual(
    group?.guids.map((guid) => account.messages.get(guid)?.message).map((
      sent,
    ) => [sent?.direction, sent?.text]),
    [["incoming", "who can drive on thursday"], ["outgoing", "leaving at half past five"]],
  );
});

Deno.test("a repeated sync sends nothing, and a new message or a changed contact alone", async () => {
  await using home = await AgentHome.paired();
  using db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }, {
    firstName: "Leo",
    emails: [LEO],
  }]);
  await home.run("sync --once");
  const before = home.server.syncRequests.length;
  assert.equal((await home.run("sync --once")).code, 0);
  assert.equal(home.server.syncRequests.length, before);

  const chat = db.addChat({ identifier: LEO });
  db.addMessage({ chat, from: LEO, text: "ping", sentAt: "2026-01-02T10:00:00Z" });
  await Deno.remove(home.addressBook, { recursive: true });
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }, {
    firstName: "Leonard",
    emails: [LEO],
  }]);
  await home.run("sync --once");
  const [contacts, messages, ...others] = home.server.syncRequests.slice(before).map(({ body }) => body);
  assert.deepEqual(
    (contacts as { contacts: { displayName: string }[] }).contacts.map(({ displayName }) => displayName),
    ["Leonard"],
  );
  assert.deepEqual(messagesIn(messages).map(({ text }) => text), ["ping"]);
  assert.deepEqual(others, []);
});

Deno.test("a card that is deleted goes from the server, and one of another Mac stays", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA], emails: ["maya@example.com"] }]);
  await home.run("sync --once");
  const { contacts } = home.server.account;
  contacts.set(JSON.stringify([null, "+15550100077", null]), {
    phoneNumber: "+15550100077",
    displayName: "Other",
  });
  await Deno.remove(home.addressBook, { recursive: true });
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
  await home.run("sync --once");
  assert.deepEqual(
    [...contacts.values()].map(({ phoneNumber }) => phoneNumber).sort(),
    [MAYA, "+15550100077"].sort(),
  );
  await Deno.remove(home.addressBook, { recursive: true });
  await home.run("sync --once");
  assert.equal(contacts.size, 2, "an address book that is not there deletes nothing");
});

Deno.test("the addresses of one card carry one opaque word, also those that were sent before they did", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  const leo = { firstName: "Leo", emails: [LEO] };
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }, leo]);
  await home.run("sync --once");
  await Deno.remove(home.addressBook, { recursive: true });
  const emails = ["maya@example.com"];
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA], emails }, leo]);
  await home.run("sync --once");
  const sent = [...home.server.account.contacts.values()];
  const personOf = (address: string) =>
    sent.find(({ phoneNumber, email }) => phoneNumber === address || email === address)?.personId;
  assert.match(personOf(MAYA) ?? "", /^[0-9a-f]+$/);
  assert.equal(personOf("maya@example.com"), personOf(MAYA));
  assert.equal(personOf(LEO), undefined);
  const before = home.server.syncRequests.length;
  await home.run("sync --once");
  assert.equal(home.server.syncRequests.length, before);
});

Deno.test("an unreadable address book is reported, and neither stops messages nor deletes contacts", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
  await home.run("sync --once");
  await Deno.remove(home.addressBook, { recursive: true });
  const run = await home.run("sync --once");
  assert.equal(run.code, 0);
  assert.match(run.stdout, /There is no address book at/);
  assert.equal(home.server.account.contacts.size, 1);
});

Deno.test("an empty database syncs: there is nothing to send", async () => {
  await using home = await AgentHome.paired();
  using _db = createChatDb(home.chatDb);
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /Messages: 0 new/);
  assert.equal(storedMark(home), 0);
});

Deno.test("the guid rewrite of macOS 26 and a renamed group keep every conversation one", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb, { generation: "sequoia" });
  const direct = db.addChat({ identifier: MAYA });
  const group = db.addChat({ identifier: "chat1", participants: [MAYA, LEO], displayName: "Climbers" });
  const say = (text: string) => {
    for (const chat of [direct, group]) {
      db.addMessage({ chat, from: MAYA, text, sentAt: "2026-01-01T10:00:00Z" });
    }
  };
  say("before");
  await home.run("sync --once");
  db.rewriteChatGuids();
  db.store.run("UPDATE chat SET display_name = 'Boulderers' WHERE ROWID = ?", group.rowId);
  say("after");
  await home.run("sync --once");
  const { conversations } = home.server.account;
  assert.equal(conversations.size, 2);
  assert.deepEqual([...conversations.values()].map(({ guids }) => guids.length), [2, 2]);
  assert.deepEqual([...conversations.values()].map(({ displayName }) => displayName), [null, "Boulderers"]);
});

Deno.test("a row that Messages is still writing holds up no other, and is sent as soon as it is there", async () => {
  await using home = await AgentHome.paired();
  using db = writeSmallChatDb(home.chatDb);
  const chat = db.addChat({ identifier: "+15550100009" });
  const late = db.addMessage({
    chat,
    from: MAYA,
    text: "late",
    sentAt: new Date(),
    joinLater: true,
  });
  const after = db.addMessage({ chat, from: MAYA, text: "after", sentAt: new Date() });
  const stored = () => home.server.account.conversations.get("+15550100009")?.guids;
  for (let again = 0; again < 2; again++) {
    const run = await home.run("sync --once");
    assert.match(run.stdout, /still writing some/);
    assert.deepEqual([storedMark(home), stored()], [after.rowId, [after.guid]]);
  }
  db.joinMessage(late, chat);
  const last = await home.run("sync --once");
  assert.doesNotMatch(last.stdout, /still writing/);
  assert.deepEqual(stored(), [after.guid, late.guid]);
  assert.equal(home.server.account.deleted, 0);
});

Deno.test("a first sync right after the file was written sends all that is old, and a chat that comes late moves its message", async () => {
  await using home = await AgentHome.paired();
  using db = createChatDb(home.chatDb);
  const chat = db.addChat({ identifier: MAYA });
  const old = (text?: string, joinLater = false) =>
    db.addMessage({ chat, from: MAYA, text, sentAt: "2017-06-01T12:00:00Z", joinLater });
  for (let index = 0; index < 10; index++) old(`text ${index}`);
  const late = old("late", true);
  for (const odd of [undefined, "\ufffc"]) old(odd);
  db.addMessage({
    chat: null,
    from: MAYA,
    text: "no date",
    sentAt: "2017-06-01T12:00:00Z",
    columns: { date: 0 },
  });
  for (let index = 14; index < 50; index++) old(`text ${index}`);
  const first = await home.run("sync --once");
  assert.equal(first.code, 0, first.stderr);
  assert.doesNotMatch(first.stdout, /still writing/);
  assert.equal(home.server.account.messages.size, 49, "all but the empty row");
  assert.notEqual(home.server.account.messages.get(late.guid)?.conversation, MAYA);
  db.joinMessage(late, chat);
  await home.run("sync --once");
  assert.equal(home.server.account.messages.get(late.guid)?.conversation, MAYA);
});

Deno.test("large batches travel packed, small ones as they are", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 1_000, chats: 60 });
  await home.run("sync --once");
  const batches = home.server.syncRequests.filter(({ path }) => path.endsWith("/messages"));
  // The bound is on the characters, of which each is at most three bytes.
  for (const { isPacked, sizeBytes } of batches) {
    assert.ok(isPacked ? sizeBytes >= MIN_GZIP_BYTES : sizeBytes < 3 * MIN_GZIP_BYTES, `${sizeBytes}`);
  }
  assert.deepEqual(new Set(batches.map(({ isPacked }) => isPacked)), new Set([true, false]));
});

Deno.test("thousands of messages in interleaved conversations arrive once each and in their order", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assertStoredExactly(home.server.account, home.chatDb);
  assert.equal(storedMark(home), BULK_ROWS);
});

Deno.test("answers that are lost cost repetition only: the server keeps each message once", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  let count = 0;
  home.server.interfere = ({ path }) =>
    path.endsWith("/messages") && ++count % 7 === 0 ? "hang_up_after_storing" : null;
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.ok(home.server.account.unchanged > 0);
  assertStoredExactly(home.server.account, home.chatDb);
});

Deno.test("a server that dies in the middle keeps the cursor where it answered; the next sync goes on", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  home.server.interfere = async () => {
    if (home.server.account.inserted > 2_500) await home.server.stop();
    return null;
  };
  const run = await home.run("sync --once");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /^Cannot reach the server at .*set AGENT_SERVER_URL\.\n$/);
  assert.equal(storedMark(home), 2_000);

  home.server.interfere = () => null;
  await home.server.listen();
  assert.equal((await home.run("sync --once")).code, 0);
  assertStoredExactly(home.server.account, home.chatDb);
});

Deno.test("a busy server is waited for, and one that asks for minutes is left with a sentence", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  let busy = 1;
  home.server.interfere = ({ path }) =>
    path.endsWith("/messages") && busy-- > 0 ? { status: "too_many_requests", retryAfterSeconds: 0 } : null;
  assert.equal((await home.run("sync --once")).code, 0);

  await home.forgetState();
  home.server.interfere = () => ({ status: "database_unavailable", retryAfterSeconds: 300 });
  const run = await home.run("sync --once");
  assert.equal(run.code, 1);
  assert.equal(run.stderr, "The server is too busy (status 503). Try again in 300 seconds.\n");
  assert.equal(storedMark(home), null);
});

Deno.test("a pairing that expired or was shut ends the sync at once, with what to do", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  home.server.expireTokens();
  const before = home.server.requests.length;
  const expired = await home.run("sync --once");
  assert.equal(expired.code, 1);
  assert.equal(expired.stderr, "The pairing has expired. Run `agent pair` to pair again.\n");
  assert.equal(home.server.requests.length, before + 1);

  await home.pairApproved();
  home.server.deactivateAll();
  const shut = await home.run("sync --once");
  assert.equal(
    shut.stderr,
    "This device was deactivated on the server. Run `agent pair` to pair it again.\n",
  );
  assert.equal(storedMark(home), null);
});

Deno.test("a pairing that ends in the middle leaves the cursor at what was acknowledged", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  home.server.interfere = () => {
    if (home.server.account.inserted > 2_500) home.server.expireTokens();
    return null;
  };
  const run = await home.run("sync --once");
  assert.match(run.stderr, /^The pairing has expired/);
  assert.equal(storedMark(home), 2_000);
});

Deno.test("only the server judges whether a pairing holds: clocks that disagree by weeks change nothing", async () => {
  for (const weeks of [-5, 5]) {
    await using home = await AgentHome.create();
    home.server.clockAheadMs = weeks * 7 * 24 * 60 * 60 * 1_000;
    using _db = writeSmallChatDb(home.chatDb);
    assert.equal((await home.run("pair")).code, 0);
    assert.equal((await home.run("sync --once")).code, 0);
    assert.equal(home.server.account.messages.size, 4);
  }
});

Deno.test("a pairing near its end says so while it still can be renewed", async () => {
  await using home = await AgentHome.create();
  home.server.clockAheadMs = -6 * 24 * 60 * 60 * 1_000;
  using _db = writeSmallChatDb(home.chatDb);
  await home.run("pair");
  assert.match(
    (await home.run("sync --once")).stdout,
    /The pairing ends \d{4}-\d\d-\d\d \d\d:\d\d: run `agent pair` before then/,
  );
});

Deno.test("messages that the server refuses are set down and passed; the others all arrive", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 1_000 });
  const bad = new Set(guidsByRow(home.chatDb).filter((_, index) => index % 97 === 5));
  home.server.interfere = ({ body }) => {
    const at = messagesIn(body).findIndex(({ imessageGuid }) => bad.has(imessageGuid));
    if (at === -1) return null;
    return { status: "validation_failed", details: [{ path: `messages.${at}.text`, message: "bad" }] };
  };
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, new RegExp(`${bad.size} were refused by the server`));
  const stored = new Set(home.server.account.messages.keys());
  assert.deepEqual(stored, new Set(guidsByRow(home.chatDb).filter((guid) => !bad.has(guid))));
  assert.equal(storedMark(home), 1_000);

  const status = JSON.parse((await home.run("status --json")).stdout);
  assert.equal(status.refused.length, bad.size);
  assert.deepEqual(Object.keys(status.refused[0]).sort(), ["code", "digest", "kind", "path", "rowId"]);
  assert.equal(status.refused[0].path, "messages.0.text");
  assert.match((await home.run("status")).stdout, new RegExp(`^Refused +${bad.size} by the server`, "m"));
});

Deno.test("a server that refuses everything stops the sync instead of emptying it, and the cursor stays", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  home.server.interfere = ({ path }) =>
    path.endsWith("/messages")
      ? { status: "validation_failed", details: [{ path: "messages.0.flavour", message: "required" }] }
      : null;
  const run = await home.run("sync --once");
  assert.equal(run.code, 1);
  assert.match(
    run.stderr,
    /^The server refuses everything \(validation_failed at messages\.0\.flavour\)\. .*version\.\n$/,
  );
  assert.equal(storedMark(home), null);
  assert.deepEqual(JSON.parse((await home.run("status --json")).stdout).refused, []);
});

Deno.test("a server with a smaller limit on bodies gets smaller batches", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: 1_000 });
  home.server.maxBodyBytes = 10_000;
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assertStoredExactly(home.server.account, home.chatDb);
});

Deno.test("a contact that the server refuses is set down and does not stop the others", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }, {
    firstName: "Leo",
    emails: [LEO],
  }]);
  home.server.interfere = ({ body }) =>
    JSON.stringify(body ?? {}).includes(`"email":"${LEO}"`)
      ? { status: "validation_failed", details: [{ path: "contacts.0.email", message: "bad" }] }
      : null;
  const run = await home.run("sync --once");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /Contacts: 2 read, 1 sent, 1 refused by the server/);
  assert.equal(home.server.account.contacts.size, 1);
  const again = home.server.syncRequests.length;
  await home.run("sync --once");
  assert.equal(home.server.syncRequests.length, again);
});

Deno.test("a database that was replaced is walked again from its first row, said so, and nothing doubles", async () => {
  await using home = await AgentHome.paired();
  writeSmallChatDb(home.chatDb).close({ checkpoint: true });
  await home.run("sync --once");
  await Deno.rename(home.chatDb, `${home.chatDb}.old`);
  using db = createChatDb(home.chatDb, { seed: 7 });
  const chat = db.addChat({ identifier: MAYA });
  for (const text of ["a", "b", "c", "d", "e"]) {
    db.addMessage({ chat, from: MAYA, text, sentAt: "2026-02-01T10:00:00Z" });
  }
  const run = await home.run("sync --once");
  assert.match(run.stdout, /Messages' database was replaced or rebuilt, so all messages were sent again/);
  assert.equal(home.server.account.messages.size, 9);
  assert.match((await home.run("sync --once")).stdout, /Messages: 0 new, 0 changed, 0 known/);
});

Deno.test("a state that cannot be read is kept aside; all is sent again and the server keeps each once", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  await home.run("sync --once");
  await Deno.writeTextFile(`${home.dataDir}/agent.db`, "no database");
  const run = await home.run("sync --once");
  assert.equal(run.code, 0);
  assert.match(run.stdout, /Messages: 0 new, 0 changed, 4 known already/);
  assert.match(run.stdout, /cannot be read, and is kept aside under a name that ends in \.broken/);
  assert.equal(await home.dataFile("agent.db.broken"), "no database");
  assertStoredExactly(home.server.account, home.chatDb);
});

Deno.test("a device paired into a new account, as its server lost the old one, sends everything there", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", phones: [MAYA] }]);
  await home.run("sync --once");
  home.server.expireTokens();
  home.server.accounts.clear();
  await home.run("pair");
  const run = await home.run("sync --once");
  assert.match(run.stdout, /This device was paired again, so all messages were sent again/);
  assert.equal(home.server.account.messages.size, 4);
  assert.equal(home.server.account.contacts.size, 1);
});

Deno.test("a pairing that was renewed while it held goes on from where the sync was", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  await home.run("sync --once");
  await home.run("pair");
  const before = home.server.syncRequests.length;
  assert.equal((await home.run("sync --once")).code, 0);
  assert.equal(home.server.syncRequests.length, before);
});

Deno.test("a token is never sent to another server than the one that gave it", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  await using other = await AgentHome.create();
  const record = JSON.parse(await home.dataFile("pairing.json") ?? "");
  record.active.serverUrl = other.server.url;
  await Deno.writeTextFile(`${home.dataDir}/pairing.json`, JSON.stringify(record));
  const run = await home.run("sync --once");
  assert.equal(run.code, 1);
  assert.match(
    run.stderr,
    /paired with http:\S+, not with http:\S+\. Run `agent pair`, or set AGENT_SERVER_URL back/,
  );
  assert.equal(home.server.syncRequests.length, 0);
});

Deno.test("a sync that is stopped ends with one sentence, and the next one continues from there", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  const stop = new AbortController();
  home.server.interfere = () => {
    if (home.server.account.inserted > 2_500) stop.abort(new DOMException("Received SIGTERM", "AbortError"));
    return null;
  };
  const run = await home.run("sync --once", { signal: stop.signal });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /^Stopped before the end; nothing is lost/);
  assert.equal(storedMark(home), 2_000);
  assert.equal((await home.run("sync --once")).code, 0);
  assertStoredExactly(home.server.account, home.chatDb);
});

Deno.test("a server that is away fails a sync even when there is nothing to send", async () => {
  await using home = await AgentHome.paired();
  using _db = createChatDb(home.chatDb);
  await home.server.stop();
  const run = await home.run("sync --once");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /Connection refused/);
});

Deno.test("no text, name or address is printed or kept in the agent's files", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  writeAddressBook(home.addressBook, [{ firstName: "Maya", lastName: "Lindqvist", phones: [MAYA] }]);
  home.server.interfere = ({ body }) =>
    messagesIn(body).some(({ text }) => text?.includes("drive"))
      ? { status: "validation_failed", details: [{ path: "messages.0.text", message: "bad" }] }
      : null;
  const runs = [await home.run("sync --once"), await home.run("status"), await home.run("status --json")];
  const seen = [runs.map(({ stdout, stderr }) => stdout + stderr).join("")];
  for await (const { name } of Deno.readDir(home.dataDir)) seen.push(await home.dataFile(name) ?? "");
  for (const secret of ["amazing", "drive", "Maya", "Lindqvist", "Climbers", "5550100001", LEO]) {
    assert.ok(!seen.join("\n").includes(secret), `${secret} was written`);
  }
});

Deno.test("with --json one line of JSON tells what was done, and nothing else is printed", async () => {
  await using home = await AgentHome.paired();
  using _db = writeSmallChatDb(home.chatDb);
  const run = await home.run("sync --once --json");
  assert.equal(run.stdout.trim().split("\n").length, 1);
  const report = JSON.parse(run.stdout);
  assert.equal(report.messages.inserted, 4);
  assert.equal(report.contacts.total, 0);
});

Deno.test("a terminal shows a bar while the sync goes on and takes it away after", async () => {
  await using home = await AgentHome.paired();
  bulkChatDb(home.chatDb, { messages: BULK_ROWS });
  const output = capturedOutput(true);
  const services = home.services({ output });
  let time = 0;
  await syncCommand({ once: true }, { ...services, now: () => time += 1_000 });
  assert.match(output.rewrites[0] ?? "", /^Messages ░{30} 0 of 5,000 \(0 %\)/);
  assert.match(output.rewrites.at(-2) ?? "", /^Messages █{5,30} 5,000 of 5,000 \(100 %\), [\d,]+\/s/);
  assert.equal(output.rewrites.at(-1), "");
});

async function shownAt(timesMs: number[], options: { isTerminal: boolean; silent?: boolean }) {
  const output = capturedOutput(options.isTerminal);
  let time = 0;
  const progress = await startSyncProgress(output, { now: () => time, silent: options.silent });
  for (time of timesMs) progress.update(time, 100_000);
  progress.finish();
  progress.finish();
  return output;
}

Deno.test("a terminal shows a bar once the sync lasts, and clears it once", async () => {
  const { lines, rewrites } = await shownAt([100, 25_000, 100_000], { isTerminal: true });
  assert.deepEqual(lines, []);
  assert.deepEqual(rewrites, [
    "Messages ███░░░░░░░░░░ 25,000 of 100,000 (25 %), 1,000/s, about 1 min 15 s left",
    "Messages ████████████████ 100,000 of 100,000 (100 %), 1,000/s, about 0.0 s left",
    "",
  ]);
});

Deno.test("elsewhere a plain line appears at most every five seconds", async () => {
  const { lines, rewrites } = await shownAt([1_000, 5_000, 6_000, 9_999, 10_000], { isTerminal: false });
  assert.deepEqual(rewrites, []);
  assert.deepEqual(lines.map((line) => line.split(" ", 2)[1]), ["5,000", "10,000"]);
});

Deno.test("a silent progress shows nothing", async () => {
  const { lines, rewrites } = await shownAt([10_000, 90_000], { isTerminal: true, silent: true });
  assert.deepEqual([lines, rewrites], [[], []]);
});
