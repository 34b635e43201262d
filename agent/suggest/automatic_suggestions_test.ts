// Tests of drafting by itself, with a real server: only where it is wanted, once for each message, never sending.
import assert from "node:assert/strict";
import { changeConversationResponseSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { RemoteError } from "../../lib/http/client.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { requirePairing } from "../pairing/pairing.ts";
import { draftAutomatically } from "./automatic_suggestions.ts";
import { findConversation } from "./conversation_choice.ts";
import { loadPolicies, savePolicy, type SuggestionMode } from "./conversation_policies.ts";
import { openSuggestions, type Suggestion } from "./suggestion.ts";

interface World {
  mac: SuggestingMac;
  client: DraftClient;
}

async function setPolicy({ mac, client }: World, person: string, mode: SuggestionMode): Promise<void> {
  const { id } = await findConversation(client, { which: person, names: () => new Map() });
  savePolicy(mac.services().suggestions, { conversationId: id, mode });
}

async function draft({ mac, client }: World, nowMs = Date.now()): Promise<Suggestion[]> {
  const policies = loadPolicies(mac.services().suggestions);
  return [...(await draftAutomatically(client, { policies, nowMs })).made];
}

Deno.test("only automatic conversations are drafted for, once for each message, and several in a row as one", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  mac.receive(GRACE, "Lunch?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  assert.deepEqual(await draft(world), [], "nothing is automatic until the person says so");
  await setPolicy(world, ADA, "automatic");
  const [first, ...others] = await draft(world);
  assert.deepEqual([first?.message.text, others], ["Dinner?", []]);
  assert.deepEqual(await draft(world), []);

  mac.receive(ADA, "At seven?");
  mac.receive(ADA, "Or eight?");
  await mac.sync();
  assert.deepEqual((await draft(world)).map(({ message }) => message.text), ["Or eight?"]);
  assert.equal(mac.served.app.ml.generated.length, 2);

  await world.client.act(first?.responseId ?? "", { action: "reject" });
  assert.deepEqual(await draft(world), [], "a draft that was turned down is not made again by itself");
  mac.answer(ADA, "Eight");
  await mac.sync();
  assert.deepEqual(await draft(world), []);
});

Deno.test("what is chosen on the server's page counts too: automatic there drafts, off there does not", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  const { id } = await findConversation(world.client, { which: ADA, names: () => new Map() });
  const { token } = await requirePairing(mac.services().pairing);
  const path = pathOf(SERVER_PATHS.conversation, { id });
  const schema = changeConversationResponseSchema;
  const choose = (drafting: SuggestionMode) =>
    mac.served.app.expect(path, { method: "PATCH", token, body: { drafting }, schema });
  await choose("off");
  await setPolicy(world, ADA, "automatic");
  assert.deepEqual(await draft(world), []);
  assert.match((await mac.run("suggest", "--conversation", ADA)).stderr, /off for this conversation/);
  await setPolicy(world, ADA, "on_demand");
  await choose("automatic");
  assert.deepEqual((await draft(world)).map(({ message }) => message.text), ["Dinner?"]);
});

Deno.test("a draft waits for a pause in the writing, and old messages that arrive late are not drafted for", async () => {
  await using mac = await SuggestingMac.create();
  const { sentAt } = mac.receive(ADA, "Dinner?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  const policies = loadPolicies(mac.services().suggestions);
  const early = await draftAutomatically(world.client, { policies, nowMs: sentAt.getTime() + 7_999 });
  assert.deepEqual(early, { made: [], isWaiting: true, failure: null });
  assert.deepEqual(await draft(world, sentAt.getTime() + 25 * 3_600_000), []);
  assert.equal((await draft(world, sentAt.getTime() + 8_000)).length, 1);
});

Deno.test("a message that another clock has dated ahead is drafted for, and not waited for until its time has come", async () => {
  await using mac = await SuggestingMac.create();
  const { sentAt } = mac.receive(ADA, "Dinner?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  const policies = loadPolicies(mac.services().suggestions);
  const ahead = { policies, nowMs: sentAt.getTime() - 10 * 60_000 };
  const { made, isWaiting } = await draftAutomatically(world.client, ahead);
  assert.deepEqual([made.length, isWaiting], [1, false]);
});

Deno.test("a conversation without a possible draft does not stop the others; an unreachable server ends the run", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  mac.receive(GRACE, "Lunch?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  await setPolicy(world, GRACE, "automatic");
  const policies = loadPolicies(mac.services().suggestions);
  const { ml } = mac.served.app;
  let asked = 0;
  const failing: DraftClient = {
    ...world.client,
    generate(messageId) {
      ml.behaviour = asked++ === 0 ? { kind: "fail", code: "internal" } : { kind: "answer" };
      return world.client.generate(messageId);
    },
  };
  const round = await draftAutomatically(failing, { policies, nowMs: Date.now() });
  assert.deepEqual([asked, round.made.map(({ message }) => message.text)], [2, ["Dinner?"]]);
  assert.ok(round.failure instanceof RemoteError);
  ml.behaviour = { kind: "fail", code: "model_not_loaded" };
  mac.receive(ADA, "Or breakfast?");
  await mac.sync();
  asked = 1;
  await assert.rejects(draftAutomatically(world.client, { policies, nowMs: Date.now() }), RemoteError);
});

Deno.test("a draft that is not to be suggested is offered nowhere, made once, and shown with the reason to whoever asks", async () => {
  await using mac = await SuggestingMac.create();
  const { store, ml } = mac.served.app;
  const [device] = (await store.devices.listAll({ page: 1, pageSize: 1 })).rows;
  await store.accountSettings.change(device?.accountId ?? "", { draftCoverage: 0 });
  mac.receive(ADA, "What do you think of it?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  for (let round = 0; round < 2; round++) assert.deepEqual(await draft(world), []);
  assert.equal(ml.generated.length, 1);
  assert.deepEqual(await openSuggestions(world.client, loadPolicies(mac.services().suggestions)), []);
  const { stdout } = await mac.run("suggest");
  assert.match(stdout, /\nDraft {6}Reply number 1 .*\nCheck {6}They ask what you think\.\n/);
  assert.equal(ml.generated.length, 1, "the draft that was made already");
});

Deno.test("a policy that cannot be read drafts nothing", async () => {
  await using mac = await SuggestingMac.create();
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  await Deno.writeTextFile(mac.services().suggestions.path, "{");
  assert.deepEqual(await draft(world), []);
});

Deno.test("what the owner will hardly answer gets no draft by itself, and one for whoever asks", async () => {
  await using mac = await SuggestingMac.create();
  const { store, ml } = mac.served.app;
  const [device] = (await store.devices.listAll({ page: 1, pageSize: 1 })).rows;
  await store.accountSettings.change(device?.accountId ?? "", { automaticCoverage: 0 });
  mac.receive(ADA, "Dinner?");
  await mac.sync();
  const world = { mac, client: await mac.client() };
  await setPolicy(world, ADA, "automatic");
  assert.deepEqual([await draft(world), ml.generated.length], [[], 0]);
  assert.match((await mac.run("suggest")).stdout, /\nDraft {6}Reply number 1 /);
  await store.accountSettings.change(device?.accountId ?? "", { automaticCoverage: 1 });
  mac.receive(ADA, "At seven?");
  await mac.sync();
  assert.deepEqual((await draft(world)).map(({ message }) => message.text), ["At seven?"]);
});
