// Tests of drafts whose message is edited or unsent before the person acts on them.
import assert from "node:assert/strict";
import { editMessage, unsendMessage } from "../../tests/support/chat_db/edits.ts";
import { osascriptCalls } from "../../tests/support/mac/fake_osascript.ts";
import { ADA, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";

const REFUSED =
  "The message that this draft answers was edited or unsent since, so nothing was recorded. Run `agent suggest` for a new one.\n";

/** The actions that the server has recorded, newest draft first. */
async function actions(mac: SuggestingMac): Promise<unknown[]> {
  const { responses } = await (await mac.client()).drafts({ pageSize: 9 });
  return responses.map(({ action, stale = false }) => [action, stale]);
}

Deno.test("a draft whose message is edited is stale: there is a new one, and the old one cannot be accepted", async () => {
  await using mac = await SuggestingMac.create();
  const message = mac.receive(ADA, "Dinner at 7?");
  await mac.sync();
  assert.match((await mac.run("suggest")).stdout, /^Message {4}Dinner at 7\?\nDraft {6}Reply number 1 /m);
  editMessage(mac.db, { message, text: "Dinner at 8?", at: new Date(Date.now() + 1_000) });
  const early = await mac.run("suggest", "accept");
  assert.deepEqual([early.code, early.stderr], [1, REFUSED], "before the server knows");
  await mac.sync();
  const late = await mac.run("suggest", "accept");
  assert.deepEqual([late.code, late.stderr], [1, REFUSED]);
  assert.match((await mac.run("suggest")).stdout, /^Message {4}Dinner at 8\?\nDraft {6}Reply number 2 /m);
  assert.equal((await mac.run("suggest", "accept")).code, 0);
  assert.deepEqual(await actions(mac), [["accept", false], [null, true]]);
  assert.equal((await mac.run("suggest", "accept")).code, 0, "the same again changes nothing");
});

Deno.test("accepting, editing or sending is refused once the message was unsent, and nothing is kept of it", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "First");
  const message = mac.receive(ADA, "My secret");
  await mac.sync();
  await mac.run("suggest");
  unsendMessage(mac.db, { message, at: new Date(Date.now() + 1_000) });
  const sending = await mac.sending();
  for (const sync of [false, true]) {
    if (sync) await mac.sync();
    for (const words of [["accept"], ["edit", "Sure"]]) {
      const run = await mac.run("suggest", ...words);
      assert.deepEqual([run.code, run.stderr], [1, REFUSED]);
      const sent = await mac.runSending(sending, "suggest", ...words, "--send");
      assert.deepEqual([sent.code, sent.stderr], [1, REFUSED]);
    }
  }
  assert.equal(await osascriptCalls(sending.program), 0);
  assert.deepEqual(await actions(mac), [[null, true]]);
  assert.match(
    (await mac.run("suggest", "reject")).stdout,
    /^Rejected\.$/m,
    "a rejection teaches nothing either",
  );
  assert.match((await mac.run("suggest")).stdout, /^Message {4}First$/m);
});

Deno.test("an earlier message of the prompt that was unsent makes a draft stale as well", async () => {
  await using mac = await SuggestingMac.create();
  const earlier = mac.receive(ADA, "My secret");
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  await mac.run("suggest");
  unsendMessage(mac.db, { message: earlier, at: new Date(Date.now() + 1_000) });
  await mac.sync();
  assert.equal((await mac.run("suggest", "accept")).stderr, REFUSED);
  await mac.run("suggest");
  assert.doesNotMatch(JSON.stringify(mac.served.app.ml.generated.at(-1)), /secret/);
});
