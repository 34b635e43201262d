// Tests of `agent suggest` from chat.db to the server and back into chat.db; only the model and Messages are played.
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { osascriptCalls } from "../../tests/support/mac/fake_osascript.ts";
import { capturedOutput } from "../../tests/support/mac/agent_home.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { runCli } from "./run_cli.ts";

/** A Mac on which Ada, and after her Grace, wait for an answer. */
async function waitingMac(): Promise<SuggestingMac> {
  const mac = await SuggestingMac.create();
  mac.answer(ADA, "Hello");
  mac.receive(ADA, "Dinner?");
  mac.receive(GRACE, "Lunch?");
  await mac.sync();
  return mac;
}

/** What the drafts of the server are, newest first: the answered text, the action and the words that stand. */
async function drafts(mac: SuggestingMac): Promise<unknown[]> {
  const { responses } = await (await mac.client()).drafts({ pageSize: 50 });
  return responses.map(({ action, response, editedResponse, rejectionReason }) => [
    action,
    editedResponse ?? rejectionReason ?? response,
  ]);
}

Deno.test("the newest message that waits is drafted for and shown, and asked again it shows the same draft", async () => {
  await using mac = await waitingMac();
  const shown = await mac.run("suggest");
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(
    shown.stdout,
    /^To {9}\+15550100002\nMessage {4}Lunch\?\nDraft {6}Reply number 1 \(confidence \d+ %\)\n/,
  );
  assert.equal((await mac.run("suggest")).stdout, shown.stdout);
  assert.equal(mac.served.app.ml.generated.length, 1);
  const { suggestion } = JSON.parse((await mac.run("suggest", "--json")).stdout);
  assert.deepEqual([suggestion.text, typeof suggestion.confidence], ["Reply number 1", "number"]);
});

Deno.test("another draft is written on request, and nothing is said of the one before", async () => {
  await using mac = await waitingMac();
  await mac.run("suggest");
  const another = await mac.run("suggest", "another");
  assert.equal(another.code, 0, another.stderr);
  assert.match(another.stdout, /^Draft {6}Reply number 2 /m);
  assert.equal((await mac.run("suggest")).stdout, another.stdout);
  assert.deepEqual(await drafts(mac), [[null, "Reply number 2"], [null, "Reply number 1"]]);
  assert.equal((await mac.run("suggest", "accept")).code, 0);
  assert.deepEqual(await drafts(mac), [["accept", "Reply number 2"], [null, "Reply number 1"]]);
  assert.match(
    (await mac.run("suggest")).stdout,
    /^Draft {6}Reply number 3 /m,
    "the first one does not come back",
  );
  assert.equal((await mac.run("suggest", "another", "one")).code, 2);
});

Deno.test("what was written in a row is shown together, and a group's people by name", async () => {
  await using mac = await waitingMac();
  writeAddressBook(join(mac.dir, "AddressBook"), [{ firstName: "Grace", phones: [GRACE] }]);
  mac.receive(ADA, "Or lunch?\nSaturday");
  const chat = mac.db.addChat({ identifier: "chat1", displayName: "Trip", participants: [ADA, GRACE] });
  mac.db.addMessage({ chat, from: GRACE, text: "Who drives?", sentAt: new Date(Date.now() - 60_000) });
  await mac.sync();
  assert.match(
    (await mac.run("suggest", "--conversation", ADA)).stdout,
    /^Message {4}Dinner\?\n {11}Or lunch\?\n {11}Saturday\nDraft {6}/m,
  );
  assert.match(
    (await mac.run("suggest")).stdout,
    /^To {9}Trip \(group\)\nMessage {4}Grace: Who drives\?\nDraft {6}/,
  );
});

Deno.test("a conversation is chosen by number or id, and an unknown one is reported", async () => {
  await using mac = await waitingMac();
  const byNumber = await mac.run("suggest", "--conversation", ADA, "--json");
  const { suggestion } = JSON.parse(byNumber.stdout);
  assert.equal(suggestion.message.text, "Dinner?");
  const byId = await mac.run("suggest", "--conversation", suggestion.conversation.id, "--json");
  assert.equal(byId.stdout, byNumber.stdout);
  for (const unknown of ["+15550109999", crypto.randomUUID()]) {
    const run = await mac.run("suggest", "--conversation", unknown);
    assert.deepEqual([run.code, run.stdout], [1, ""]);
    assert.match(run.stderr, /^The server has no such conversation\. /);
  }
  mac.answer(ADA, "Yes");
  await mac.sync();
  assert.equal((await mac.run("suggest", "--conversation", ADA)).stdout, "Nothing waits for an answer.\n");
});

Deno.test("people are shown and found by the names that Contacts has for them, unless a name means several", async () => {
  await using mac = await waitingMac();
  const folder = join(mac.dir, "AddressBook");
  writeAddressBook(folder, [{ firstName: "Ada", phones: [ADA] }, { firstName: "Grace", phones: [GRACE] }]);
  assert.match(
    (await mac.run("suggest", "--conversation", "ada")).stdout,
    /^To {9}Ada\nMessage {4}Dinner\?\n/,
  );
  const part = await mac.run("suggest", "--conversation", "Ad");
  assert.match(part.stderr, /^The server has no such conversation\. /);
  await Deno.remove(folder, { recursive: true });
  writeAddressBook(folder, [{ firstName: "Ada", phones: [ADA] }, { firstName: "Ada", phones: [GRACE] }]);
  const both = await mac.run("suggest", "--conversation", "Ada");
  assert.deepEqual([both.code, both.stdout], [1, ""]);
  assert.match(both.stderr, /^2 conversations have this name\. /);
});

Deno.test("accept, edit and reject are reported to the server for the draft that was shown, and become training samples", async () => {
  await using mac = await waitingMac();
  await mac.run("suggest", "--conversation", ADA);
  const accepted = await mac.run("suggest", "accept");
  assert.equal(accepted.stdout, "Recorded, and kept as a training sample.\n");
  await mac.run("suggest", "--conversation", GRACE);
  assert.equal((await mac.run("suggest", "edit", "Sure,", "at noon")).code, 0);
  await mac.run("suggest", "--conversation", GRACE);
  assert.match((await mac.run("suggest", "reject", "Too", "formal")).stdout, /^Rejected/);
  assert.deepEqual(await drafts(mac), [
    ["reject", "Too formal"],
    ["edit", "Sure, at noon"],
    ["accept", "Reply number 1"],
  ]);
  const again = await mac.run("suggest", "accept", "--conversation", GRACE);
  assert.deepEqual([again.code, again.stderr], [
    1,
    "This draft was acted on before, in another way. Run `agent suggest` for a new one.\n",
  ]);
});

Deno.test("an action means the draft that was shown, not a newer one", async () => {
  await using mac = await waitingMac();
  await mac.run("suggest", "--conversation", ADA);
  mac.receive(ADA, "Or lunch?");
  await mac.sync();
  const client = await mac.client();
  const { messages } = await client.messages(
    (await client.conversations({ pageSize: 1 })).conversations[0]?.id ?? "",
    { pageSize: 1 },
  );
  await client.generate(messages[0]?.id ?? "");
  await mac.run("suggest", "accept", "--conversation", ADA);
  assert.deepEqual(await drafts(mac), [[null, "Reply number 2"], ["accept", "Reply number 1"]]);
});

Deno.test("--send sends what is accepted, once, and says what chat.db shows", async () => {
  await using mac = await waitingMac();
  const sending = await mac.sending("deliver");
  await mac.run("suggest", "--conversation", ADA);
  const sent = await mac.runSending(sending, "suggest", "accept", "--send");
  assert.deepEqual([sent.code, sent.stdout], [
    0,
    "Recorded, and kept as a training sample.\nThe reply was delivered.\n",
  ]);
  const again = await mac.runSending(sending, "suggest", "accept", "--send");
  assert.deepEqual([again.code, again.stderr], [1, "This draft was sent and delivered already\n"]);
  assert.equal(await osascriptCalls(sending.program), 1);
  await mac.sync();
  assert.equal((await mac.run("suggest", "--conversation", ADA)).stdout, "Nothing waits for an answer.\n");
});

Deno.test("what was edited is sent as it was edited, and an outcome that is not known is exit code 1", async () => {
  await using mac = await waitingMac();
  const sending = await mac.sending("nothing");
  await mac.run("suggest", "--conversation", ADA);
  const run = await mac.runSending(sending, "suggest", "edit", "At eight", "--send");
  assert.equal(run.code, 1);
  assert.match(run.stdout, /It is not known whether the reply was sent: check the chat in Messages/);
  assert.deepEqual(await drafts(mac), [["edit", "At eight"]]);
});

Deno.test("nothing is recorded when nothing may be sent, and nothing is sent when nothing can be recorded", async () => {
  await using mac = await waitingMac();
  const sending = await mac.sending("deliver");
  await mac.run("suggest", "--conversation", ADA);
  mac.answer(ADA, "I wrote it myself");
  const late = await mac.runSending(sending, "suggest", "accept", "--send");
  assert.match(late.stderr, /^You have written in this conversation since/);
  assert.deepEqual(await drafts(mac), [[null, "Reply number 1"]]);

  await mac.run("suggest", "--conversation", GRACE);
  await mac.run("suggest", "reject");
  const rejected = await mac.runSending(sending, "suggest", "accept", "--send");
  assert.match(rejected.stderr, /^This draft was acted on before, in another way/);
  assert.equal(await osascriptCalls(sending.program), 0);
});

Deno.test("without a Mac nothing is sent and nothing is recorded", async () => {
  await using mac = await waitingMac();
  await mac.run("suggest");
  const run = await mac.run("suggest", "accept", "--send");
  assert.deepEqual([run.code, run.stderr], [
    1,
    "Replies are sent by the Messages app. Run this on your Mac.\n",
  ]);
  assert.deepEqual(await drafts(mac), [[null, "Reply number 1"]]);
});

Deno.test("a conversation that is off is never drafted for, by name or as the newest", async () => {
  await using mac = await waitingMac();
  assert.equal((await mac.run("suggest", "policy", "--conversation", GRACE)).stdout, "on_demand\n");
  assert.equal((await mac.run("suggest", "policy", "off", "--conversation", GRACE)).stdout, "off\n");
  assert.match(
    (await mac.run("suggest", "--conversation", GRACE)).stderr,
    /^Suggestions are off for this conversation\. /,
  );
  assert.match((await mac.run("suggest")).stdout, /^Message {4}Dinner\?$/m);
});

Deno.test("a terminal says that a draft is being written, and that line goes", async () => {
  await using mac = await waitingMac();
  const output = capturedOutput(true);
  assert.equal(await runCli(["suggest"], { output, services: () => mac.services({ output }) }), 0);
  assert.match(output.rewrites[0] ?? "", /^\rDrafting … 0 s$/);
  assert.match(output.lines.join("\n"), /^To {9}/);
});

Deno.test("other people's words cannot steer the terminal", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Hi\x1b]0;owned\x07\nDraft      Send me money");
  mac.served.app.ml.behaviour = { kind: "answer", response: "No\x1b[8mhidden" };
  await mac.sync();
  const { stdout } = await mac.run("suggest");
  assert.ok(!stdout.includes("\x1b"), stdout);
  assert.match(stdout, /^ {11}Draft {6}Send me money$/m);
  assert.match(stdout, /^Draft {6}No\\u\{1b\}\[8mhidden/m);
});

Deno.test("an unreachable model is reported with what to do", async () => {
  await using mac = await waitingMac();
  mac.served.app.ml.behaviour = { kind: "fail", code: "model_not_loaded" };
  const run = await mac.run("suggest");
  assert.deepEqual([run.code, run.stdout], [1, ""]);
  assert.match(run.stderr, /^The server is too busy \(status 503\)/);
});

Deno.test("a wrong command line exits with code 2, and an action without a draft with code 1", async () => {
  await using mac = await waitingMac();
  const faults: [string[], RegExp][] = [
    [["--send"], /--send goes with accept or edit, once you have seen the draft/],
    [["reject", "--send"], /--send goes with accept or edit/],
    [["accept", "Yes"], /accept takes no text/],
    [["edit"], /edit needs the text/],
    [["send"], /suggest does not know "send"/],
    [["policy", "off"], /policy needs --conversation/],
    [["policy", "always", "--conversation", ADA], /one of off, on_demand, automatic/],
    [["reject", "x".repeat(2_001)], /the text /],
  ];
  for (const [words, says] of faults) {
    const run = await mac.run("suggest", ...words);
    assert.equal(run.code, 2, words.join(" "));
    assert.match(run.stderr, says);
  }
  const early = await mac.run("suggest", "accept");
  assert.deepEqual([early.code, early.stderr], [
    1,
    "No draft has been shown yet. Run `agent suggest` first.\n",
  ]);
});
