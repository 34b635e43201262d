/** Tests samples of what was sent in place of an unused draft: when they are made, once, how they weigh, and their deletion. */
import assert from "node:assert/strict";
import { accountSettingsSchema } from "../../contract/account.ts";
import {
  changeConversationResponseSchema,
  deletionSchema,
  messageListSchema,
} from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { responseActionResponseSchema } from "../../contract/responses.ts";
import {
  importSamplesResponseSchema,
  type TrainingSample,
  trainingSampleListSchema,
} from "../../contract/training.ts";
import { relativeEditDistance } from "../../lib/edit_distance.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  sendBatch,
  type Sender,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";
import { draftFor, readModels, startJob, trainAdapter } from "../../tests/support/server/trainee.ts";

/** Nothing of the invented drafts, which are "Reply number …". */
const OWN_WORDS = "bzz zz zz zz zz";

/** A direct conversation, in which drafts are made. */
class Chat {
  readonly #address = `+1555${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  conversationId = "";

  constructor(readonly owner: Sender) {}

  /** Sends a message, at so many minutes from now; its id. */
  async say(who: "me" | "them", text: string | null, minutes = who === "me" ? 1 : -1): Promise<string> {
    const { server, token } = this.owner;
    const isOwn = who === "me";
    const message = syncMessage({
      senderId: isOwn ? null : JOHN,
      direction: isOwn ? "outgoing" : "incoming",
      text,
      sentAt: new Date(Date.now() + minutes * 60_000).toISOString(),
    });
    const change = { conversationImessageId: this.#address, participantIds: [this.#address] };
    this.conversationId = (await sendBatch(this.owner, syncBatch([message], change))).conversationId;
    const path = pathOf(SERVER_PATHS.conversationMessages, { id: this.conversationId });
    const { messages } = await server.expect(path, { token, schema: messageListSchema });
    return messages.find(({ imessageGuid }) => imessageGuid === message.imessageGuid)?.id ?? "";
  }

  /** Somebody asks, a draft is made, and the owner sends other words; the draft's id. */
  async answered(text = OWN_WORDS, question = "Dinner?"): Promise<string> {
    const { responseId } = await draftFor(this.owner, await this.say("them", question));
    await this.say("me", text);
    return responseId;
  }

  async act(responseId: string, body: Record<string, unknown>) {
    const { server, token } = this.owner;
    const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
    return await server.expect(path, { token, body, schema: responseActionResponseSchema });
  }
}

/** An account that learns from what was sent, unless said otherwise. */
async function pairLearner(owner: Sender, learnFromSent = true): Promise<Sender> {
  const { server, token } = owner;
  const options = { method: "PUT", token, body: { learnFromSent }, schema: accountSettingsSchema };
  assert.equal((await server.expect(SERVER_PATHS.accountSettings, options)).learnFromSent, learnFromSent);
  return owner;
}

async function samplesOf({ server, token }: Sender): Promise<TrainingSample[]> {
  return (await server.expect(SERVER_PATHS.trainingSamples, { token, schema: trainingSampleListSchema }))
    .samples;
}

/** The samples after a training was asked for, which may have had nothing to learn from. */
async function samplesAfterStart(owner: Sender): Promise<TrainingSample[]> {
  const response = await owner.server.request(SERVER_PATHS.startTraining, { token: owner.token, body: {} });
  await response.body?.cancel();
  assert.ok([202, 400, 409].includes(response.status), `${response.status}`);
  return await samplesOf(owner);
}

Deno.test("what was sent in place of a draft is a sample from the next training on, if the owner wants that", async () => {
  await using server = await startServerApp();
  const owner = { server, ...await server.pair() };
  const chat = new Chat(owner);
  const { responseId, response: draft } = await draftFor(owner, await chat.say("them", "Dinner?"));
  assert.ok(draft);
  await chat.say("me", OWN_WORDS);
  assert.deepEqual(await samplesAfterStart(owner), [], "not by itself");
  await pairLearner(owner);
  await startJob(owner);
  const [sample, ...more] = await samplesOf(owner);
  assert.deepEqual(more, []);
  assert.ok(sample);
  assert.deepEqual(
    [sample.source, sample.input, sample.output, sample.rejectedOutput, sample.responseId],
    ["sent", server.ml.generated[0]?.prompt, OWN_WORDS, draft, responseId],
  );
  const cost = relativeEditDistance(draft, OWN_WORDS);
  assert.ok(Math.abs(sample.quality - (1 + cost) / 2) < 1e-6, `${sample.quality} ${cost}`);
  assert.deepEqual(server.ml.started.at(-1)?.samples.map(({ id }) => id), [sample.id]);
  const options = { token: owner.token, body: {}, schema: importSamplesResponseSchema };
  const imported = await server.expect(SERVER_PATHS.importTrainingSamples, options);
  assert.deepEqual([imported.imported, imported.skipped.repeated], [0, 1], "the reply is a sample already");
  assert.equal((await samplesAfterStart(owner)).length, 1, "made once");
});

Deno.test("a preference job weighs a pair by the share of the draft that was changed", async () => {
  await using server = await startServerApp();
  const owner = await pairLearner({ server, ...await server.pair() });
  const chat = new Chat(owner);
  await chat.answered();
  const { responseId, response } = await draftFor(owner, await new Chat(owner).say("them", "Lunch?"));
  await chat.act(responseId, { action: "edit", editedResponse: `${response}!` });
  await startJob(owner, { method: "dpo" });
  const asked = server.ml.started.at(-1)?.samples ?? [];
  const costs = asked.map(({ rejected = "", output }) => relativeEditDistance(rejected, output));
  assert.deepEqual(asked.map(({ quality }) => quality), costs);
  assert.equal(asked.length, 2);
  assert.ok(Math.min(...costs) < 0.1 && Math.max(...costs) > 0.5, `${costs}`);
});

Deno.test("a sample is made only of what answers the draft's message, was sent with the draft there, and can be learned", async (t) => {
  await using server = await startServerApp();
  const cases: Record<string, (chat: Chat) => Promise<unknown>> = {
    "nothing was sent": async (chat) => draftFor(chat.owner, await chat.say("them", "Dinner?")),
    "sent before the draft was there": async (chat) => {
      const id = await chat.say("them", "Dinner?", -10);
      await chat.say("me", OWN_WORDS, -5);
      await draftFor(chat.owner, id);
    },
    "more was written meanwhile": async (chat) => {
      await draftFor(chat.owner, await chat.say("them", "Dinner?"));
      await chat.say("them", "Or lunch?", 0.5);
      await chat.say("me", OWN_WORDS);
    },
    "sent the next day": async (chat) => {
      await draftFor(chat.owner, await chat.say("them", "Dinner?"));
      await chat.say("me", OWN_WORDS, 24 * 60);
    },
    "a number": (chat) => chat.answered("482913"),
    "a picture": (chat) => chat.answered("\uFFFC"),
    "the draft was edited": async (chat) => {
      const id = await chat.answered();
      await chat.act(id, { action: "edit", editedResponse: OWN_WORDS });
    },
    "another draft to the message was accepted": async (chat) => {
      const id = await chat.say("them", "Dinner?");
      await draftFor(chat.owner, id);
      const { responseId } = await draftFor(chat.owner, id);
      await chat.act(responseId, { action: "accept" });
      await chat.say("me", OWN_WORDS);
    },
    "nothing is learned from the conversation": async (chat) => {
      await chat.answered();
      await server.expect(pathOf(SERVER_PATHS.conversation, { id: chat.conversationId }), {
        method: "PATCH",
        token: chat.owner.token,
        body: { neverTrain: true },
        schema: changeConversationResponseSchema,
      });
    },
  };
  for (const [name, talk] of Object.entries(cases)) {
    await t.step(name, async () => {
      const owner = await pairLearner({ server, ...await server.pair() });
      await talk(new Chat(owner));
      const made = (await samplesAfterStart(owner)).filter(({ source }) => source === "sent");
      assert.deepEqual(made, []);
    });
  }
});

Deno.test("a draft that was sent almost as it was is no rejected one, one that was rejected is", async () => {
  await using server = await startServerApp();
  const owner = await pairLearner({ server, ...await server.pair() });
  const [near, rejected] = [new Chat(owner), new Chat(owner)];
  const { response } = await draftFor(owner, await near.say("them", "Tea?"));
  await near.say("me", `${response}!`);
  await rejected.act(await rejected.answered(), { action: "reject" });
  const made = (await samplesAfterStart(owner)).filter(({ source }) => source === "sent");
  assert.deepEqual(
    new Map(made.map(({ output, rejectedOutput }) => [output, rejectedOutput !== null])),
    new Map([[`${response}!`, false], [OWN_WORDS, true]]),
  );
});

Deno.test("an action that comes after the sample adds none, and what was sent stays", async () => {
  await using server = await startServerApp();
  const owner = await pairLearner({ server, ...await server.pair() });
  const chat = new Chat(owner);
  const id = await chat.answered();
  const before = await samplesAfterStart(owner);
  const acted = await chat.act(id, { action: "edit", editedResponse: OWN_WORDS });
  assert.deepEqual([acted.response.action, acted.trainingSampleId], ["edit", null]);
  assert.deepEqual(await chat.act(id, { action: "edit", editedResponse: OWN_WORDS }), acted);
  assert.deepEqual(await samplesOf(owner), before);
});

Deno.test("a sample that is deleted is not made again, and one goes with its message and taints what learned from it", async () => {
  await using server = await startServerApp();
  const owner = await pairLearner({ server, ...await server.pair() });
  const { token } = owner;
  const [kept, deleted] = [new Chat(owner), new Chat(owner)];
  await deleted.answered("qqq qqqq qqqq");
  await trainAdapter(owner);
  const [first] = await samplesOf(owner);
  await server.expect(pathOf(SERVER_PATHS.trainingSample, { id: first?.id ?? "" }), {
    method: "DELETE",
    token,
    schema: deletionSchema,
  });
  const { responseId } = await draftFor(owner, await kept.say("them", "Dinner?"));
  const reply = await kept.say("me", OWN_WORDS);
  const adapterId = await trainAdapter(owner);
  assert.deepEqual((await samplesOf(owner)).map((sample) => sample.responseId), [responseId]);
  const path = pathOf(SERVER_PATHS.message, { id: reply });
  const deletion = await server.expect(path, { method: "DELETE", token, schema: deletionSchema });
  assert.deepEqual([deletion.samples, deletion.taintedAdapterIds], [1, [adapterId]]);
  assert.deepEqual(await samplesAfterStart(owner), []);
  assert.equal((await readModels(owner)).adapters[0]?.state, "tainted");
});

Deno.test("a training learns from the drafts of its own account alone", async () => {
  await using server = await startServerApp();
  const owner = await pairLearner({ server, ...await server.pair() });
  const stranger = await pairLearner({ server, ...await server.pair() });
  await new Chat(stranger).answered();
  assert.deepEqual(await samplesAfterStart(owner), []);
  assert.deepEqual(await samplesOf(stranger), []);
  assert.equal((await samplesAfterStart(stranger)).length, 1);
});
