// Tests of what `agent suggest` takes for a message that waits, from rows of chat.db through the server and back.
import assert from "node:assert/strict";
import { unsendMessage } from "../../tests/support/chat_db/edits.ts";
import { addAppMessage, addTapback } from "../../tests/support/chat_db/rows.ts";
import { osascriptCalls } from "../../tests/support/mac/fake_osascript.ts";
import { findConversation } from "../suggest/conversation_choice.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";

const NOTHING = "Nothing waits for an answer.\n";

/** A Mac on which Ada waits for an answer, and nobody else. */
async function macOfAda(): Promise<SuggestingMac> {
  const mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  return mac;
}

async function suggested(mac: SuggestingMac): Promise<string | null> {
  await mac.sync();
  const { code, stdout, stderr } = await mac.run("suggest", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).suggestion?.message.text ?? null;
}

/** The messages of a conversation after another sync. */
async function sentIn(mac: SuggestingMac, which: string) {
  await mac.sync();
  const client = await mac.client();
  const { id } = await findConversation(client, { which, names: () => new Map() });
  return await client.messages(id, { pageSize: 5 });
}

Deno.test("before the first message is there, what brings it is named", async () => {
  await using mac = await SuggestingMac.create();
  const { code, stdout } = await mac.run("suggest");
  assert.deepEqual([code, stdout], [0, "The server has no messages yet: `agent sync --once` sends them.\n"]);
});

Deno.test("an own reply that was not delivered is no answer, is shown as failed, and teaches nothing", async () => {
  await using mac = await macOfAda();
  const { rowId } = mac.answer(ADA, "Yes, at seven");
  mac.db.store.update("message", { rowId, set: { error: 22, is_sent: 0 } });
  assert.equal(await suggested(mac), "Dinner?");
  const client = await mac.client();
  const [conversation] = (await client.conversations({ pageSize: 1 })).conversations;
  const { messages } = await client.messages(conversation?.id ?? "", { pageSize: 5 });
  assert.deepEqual(messages.map(({ text, failed }) => [text, failed ?? false]), [["Yes, at seven", true], [
    "Dinner?",
    false,
  ]]);
  assert.match((await mac.run("suggest")).stdout, /^Not sent {3}Yes, at seven$/m);
  assert.doesNotMatch(JSON.stringify(mac.served.app.ml.generated), /at seven/);

  mac.db.store.update("message", { rowId, set: { error: 0, is_sent: 1 } });
  assert.equal(await suggested(mac), null, "sent again from the same row, it is the answer");
});

Deno.test("an own reply that was unsent, and a note of an app from either side, are no answers and wait for none", async () => {
  await using mac = await macOfAda();
  unsendMessage(mac.db, { message: mac.answer(ADA, "Yes"), at: new Date() });
  const chat = mac.chats.get(ADA) ?? null;
  const note = { chat, text: "closed all three rings", bundleId: "com.apple.Fitness", sentAt: new Date() };
  for (const from of ["me", ADA]) {
    addAppMessage(mac.db, { ...note, from, columns: { associated_message_type: 3 } });
  }
  assert.equal(await suggested(mac), "Dinner?");
  mac.answer(ADA, "No");
  addAppMessage(mac.db, { ...note, from: ADA, columns: { associated_message_type: 3 } });
  assert.equal(await suggested(mac), null);
});

Deno.test("codes and companies are never chosen while a friend waits, and asked for by name there is a plain sentence", async () => {
  await using mac = await macOfAda();
  const automated = {
    "262966": "Your code is 482913",
    "AMAZON": "Your parcel is here",
    "urn:biz:1b2c3d4e": "How can we help?",
    "+15550100009": "Ihr Bestätigungscode lautet 482913",
  };
  for (const [sender, text] of Object.entries(automated)) mac.receive(sender, text);
  assert.equal(await suggested(mac), "Dinner?");
  const drafts = mac.served.app.ml.generated.length;
  for (const sender of Object.keys(automated)) {
    const asked = await mac.run("suggest", "--conversation", sender);
    assert.deepEqual([asked.code, asked.stdout], [1, ""]);
    assert.match(
      asked.stderr,
      /^This is a code, or was sent by a company's machine, so there is nobody to answer\. /,
    );
  }
  assert.equal(mac.served.app.ml.generated.length, drafts);
});

Deno.test("reactions sent as texts wait for nothing, answer as own ones, and are no words in a prompt", async () => {
  await using mac = await macOfAda();
  mac.answer(ADA, "See you at 7 then");
  mac.receive(ADA, "Liked “See you at 7 then”");
  assert.equal(await suggested(mac), null);
  mac.receive(ADA, "Shall I bring wine?");
  mac.answer(ADA, "Loved “Shall I bring wine?”");
  assert.equal(await suggested(mac), null);
  mac.receive(ADA, "Red?");
  assert.equal(await suggested(mac), "Red?");
  assert.doesNotMatch(JSON.stringify(mac.served.app.ml.generated.at(-1)), /Liked|Loved/);
});

Deno.test("an own tapback on the newest message answers it, and taken back it no longer does", async () => {
  await using mac = await SuggestingMac.create();
  const to = mac.receive(ADA, "Dinner?");
  const tapback = addTapback(mac.db, { to, from: "me", kind: "like", sentAt: new Date() });
  assert.equal(await suggested(mac), null);
  assert.equal((await mac.run("suggest", "--conversation", ADA)).stdout, NOTHING);
  addTapback(mac.db, { to, from: "me", kind: "like", sentAt: new Date(), removes: tapback });
  assert.equal(await suggested(mac), "Dinner?");
  addTapback(mac.db, { to, from: GRACE, kind: "like", sentAt: new Date() });
  assert.equal(await suggested(mac), "Dinner?", "somebody else's is no answer");
});

Deno.test("a message of a group that is also in an older direct chat is the group's, and where that is unsure nothing is drafted", async () => {
  await using mac = await SuggestingMac.create();
  const { db } = mac;
  const direct = db.addChat({ identifier: ADA });
  const group = db.addChat({ identifier: "chat1", displayName: "Trip", participants: [ADA, GRACE] });
  const add = (text: string, room: string | null) => {
    const message = db.addMessage({ chat: group, from: ADA, text, sentAt: new Date(), joinLater: true });
    for (const chat of [direct, group]) db.joinMessage(message, chat);
    db.store.update("message", { rowId: message.rowId, set: { cache_roomnames: room } });
  };
  add("Is this private?", null);
  assert.equal(await suggested(mac), null);
  add("Who drives?", "chat1");
  assert.equal(await suggested(mac), "Who drives?");
  assert.match((await mac.run("suggest")).stdout, /^To {9}Trip \(group\)$/m);
  const sending = await mac.sending();
  await mac.runSending(sending, "suggest", "accept", "--send");
  assert.equal(await osascriptCalls(sending.program), 1);
  const { messages } = await sentIn(mac, "Trip");
  assert.deepEqual(messages.map(({ direction }) => direction).sort(), ["incoming", "outgoing"]);
});

Deno.test("a note to oneself waits for nothing, also where only its received row is there", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(mac.db.me, "Buy milk");
  assert.equal(await suggested(mac), null);
});
