// Tests of what was really sent in place of a draft, from rows of chat.db to the record of the draft.
import assert from "node:assert/strict";
import { editMessage, unsendMessage } from "../../tests/support/chat_db/edits.ts";
import { addAttachmentMessage, addTapback } from "../../tests/support/chat_db/rows.ts";
import { ADA, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";

/** What the server says was sent in place of the newest draft, after another sync. */
async function sentReply(mac: SuggestingMac) {
  await mac.sync();
  const { responses: [draft] } = await (await mac.client()).drafts({ pageSize: 1 });
  return draft?.sentReply;
}

async function macWithDraft() {
  const mac = await SuggestingMac.create();
  const message = mac.receive(ADA, "Dinner at seven?");
  await mac.sync();
  await mac.run("suggest");
  assert.equal(await sentReply(mac), null);
  return { mac, message };
}

Deno.test("what was really sent reaches the draft from chat.db, and follows edits, unsends, failures and deletions", async () => {
  const { mac, message } = await macWithDraft();
  await using _mac = mac;
  addTapback(mac.db, { to: message, from: "me", kind: "like", sentAt: new Date() });
  assert.equal(await sentReply(mac), null, "a tapback is an answer without words");

  const first = mac.answer(ADA, "Yes!");
  const second = mac.answer(ADA, "At eigth");
  assert.equal((await sentReply(mac))?.text, "Yes!\nAt eigth");
  editMessage(mac.db, { message: second, text: "At eight", at: new Date() });
  assert.equal((await sentReply(mac))?.text, "Yes!\nAt eight");
  mac.db.store.update("message", { rowId: first.rowId, set: { error: 22, is_sent: 0 } });
  assert.equal((await sentReply(mac))?.text, "At eight", "what failed was not sent");
  mac.db.store.update("message", { rowId: first.rowId, set: { error: 0, is_sent: 1 } });
  assert.equal((await sentReply(mac))?.text, "Yes!\nAt eight", "it was sent again");
  unsendMessage(mac.db, { message: second, at: new Date() });
  assert.equal((await sentReply(mac))?.text, "Yes!");
  mac.db.store.run(`DELETE FROM chat_message_join WHERE message_id = ${first.rowId}`);
  mac.db.store.run(`DELETE FROM message WHERE ROWID = ${first.rowId}`);
  assert.equal(await sentReply(mac), null, "what was deleted on the Mac is gone here too");
});

Deno.test("a draft that was edited and sent has what Messages holds of it", async () => {
  const { mac } = await macWithDraft();
  await using _mac = mac;
  const sending = await mac.sending();
  const run = await mac.runSending(sending, "suggest", "edit", "See you there", "--send");
  assert.equal(run.code, 0, run.stderr);
  const sent = await sentReply(mac);
  assert.deepEqual([sent?.text, sent?.messages.length], ["See you there", 1]);
});

Deno.test("a picture alone was sent without words", async () => {
  const { mac } = await macWithDraft();
  await using _mac = mac;
  const chat = mac.chats.get(ADA) ?? null;
  const files = [{ name: "a.jpg", mimeType: "image/jpeg" }];
  addAttachmentMessage(mac.db, { chat, from: "me", sentAt: new Date(), files });
  const sent = await sentReply(mac);
  assert.deepEqual([sent?.text, sent?.messages.length], [null, 1]);
});
