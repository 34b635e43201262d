/** Tests the policy of a conversation: when it is drafted for, and that nothing is learned from it. */
import assert from "node:assert/strict";
import { z } from "zod";
import {
  changeConversationResponseSchema,
  conversationListSchema,
  conversationResponseSchema,
  deletionSchema,
} from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { responseActionResponseSchema } from "../../contract/responses.ts";
import { importSamplesResponseSchema } from "../../contract/training.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  sendBatch,
  sendConversation,
  type Sender,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";
import {
  draftFor,
  promote,
  readJob,
  readModels,
  startJob,
  startWithSamples,
  trainAdapter,
} from "../../tests/support/server/trainee.ts";

const NOTHING = { messages: 0, responses: 0, samples: 0, taintedAdapterIds: [] };

async function change({ server, token }: Sender, id: string, body: unknown) {
  const path = pathOf(SERVER_PATHS.conversation, { id });
  return await server.expect(path, {
    method: "PATCH",
    token,
    body,
    schema: changeConversationResponseSchema,
  });
}

async function policyOf({ server, token }: Sender, id: string) {
  const path = pathOf(SERVER_PATHS.conversation, { id });
  const { conversation } = await server.expect(path, { token, schema: conversationResponseSchema });
  return [conversation.drafting, conversation.neverTrain];
}

async function idsOf({ server, token }: Sender, query: string): Promise<string[]> {
  const path = `${SERVER_PATHS.conversations}?${query}`;
  const { conversations, total } = await server.expect(path, { token, schema: conversationListSchema });
  assert.equal(total, conversations.length);
  return conversations.map(({ id }) => id);
}

async function sampleTotal({ server, token }: Sender): Promise<number> {
  const schema = z.object({ total: z.int() });
  return (await server.expect(SERVER_PATHS.trainingSamples, { token, schema })).total;
}

async function conversationOf({ server, token }: Sender): Promise<string> {
  const [id = ""] = await idsOf({ server, token }, "");
  return id;
}

async function act({ server, token }: Sender, messageId: string) {
  const { responseId } = await draftFor({ server, token }, messageId);
  const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
  const body = { action: "accept" };
  return (await server.expect(path, { token, body, schema: responseActionResponseSchema })).trainingSampleId;
}

Deno.test("a policy is changed, listed, and still there when the conversation was deleted and begins again", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const [message] = await sendConversation(sender, { lines: [[JOHN, "Dinner?"]] });
  const id = message?.conversationId ?? "";
  const other = (await sendConversation(sender, { lines: [["b", "Hi"]], conversationImessageId: "b" }))[0]
    ?.conversationId ?? "";
  assert.deepEqual(await policyOf(sender, id), ["on_demand", false]);
  const changed = await change(sender, id, { drafting: "automatic" });
  assert.deepEqual([changed.conversation.drafting, changed.deletion], ["automatic", NOTHING]);
  await change(sender, id, { neverTrain: true });
  assert.deepEqual(await policyOf(sender, id), ["automatic", true]);
  assert.deepEqual(await idsOf(sender, "neverTrain=true"), [id]);
  assert.deepEqual(await idsOf(sender, "neverTrain=false"), [other]);
  assert.deepEqual(await idsOf(sender, "drafting=automatic"), [id]);
  assert.deepEqual(await idsOf(sender, "drafting=on_demand"), [other]);
  assert.deepEqual(await idsOf(sender, "drafting=off"), []);
  const path = pathOf(SERVER_PATHS.conversation, { id });
  await server.expect(path, { method: "DELETE", token: sender.token, schema: deletionSchema });
  const fresh = syncMessage({ sentAt: new Date().toISOString() });
  const { conversationId } = await sendBatch(sender, syncBatch([fresh]));
  assert.deepEqual(await policyOf(sender, conversationId), ["automatic", true]);
});

Deno.test("a policy that says nothing, or an unknown word, is refused", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const [message] = await sendConversation(sender, { lines: [[JOHN, "Dinner?"]] });
  const path = pathOf(SERVER_PATHS.conversation, { id: message?.conversationId ?? "" });
  for (
    const body of [{}, { dryRun: true }, { drafting: "always" }, { neverTrain: "yes" }, { policy: "off" }]
  ) {
    const refused = { method: "PATCH", token: sender.token, body, status: 400 };
    await server.refuse(path, { ...refused, code: "validation_failed" });
  }
  assert.deepEqual(await policyOf(sender, message?.conversationId ?? ""), ["on_demand", false]);
});

Deno.test("nothing is drafted for a conversation that is off, and again once it is not", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const [message] = await sendConversation(sender, { lines: [[JOHN, "Dinner?"]] });
  const { id = "", conversationId = "" } = message ?? {};
  await change(sender, conversationId, { drafting: "off" });
  for (const async of [false, true]) {
    const body = { messageId: id, async };
    const refused = { token: sender.token, body, status: 409, code: "conflict" } as const;
    await server.refuse(SERVER_PATHS.generateResponse, refused);
  }
  assert.equal(server.ml.generated.length, 0);
  await change(sender, conversationId, { drafting: "on_demand" });
  assert.equal((await draftFor(sender, id)).status, "completed");
});

Deno.test("what is never to be trained on is unlearned, and a dry run only says what would go", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  const { id: jobId } = await startJob(trainee);
  const id = await conversationOf(trainee);
  const gone = { ...NOTHING, samples: 3, taintedAdapterIds: [adapterId] };
  const tried = await change(trainee, id, { neverTrain: true, dryRun: true });
  assert.deepEqual([tried.deletion, tried.conversation.neverTrain], [gone, false]);
  assert.deepEqual([await sampleTotal(trainee), (await readModels(trainee)).promotedAdapterId], [
    3,
    adapterId,
  ]);
  assert.deepEqual((await change(trainee, id, { neverTrain: true })).deletion, gone);
  assert.deepEqual([await sampleTotal(trainee), (await readModels(trainee)).promotedAdapterId], [0, null]);
  await server.reconciler.reconcile();
  assert.equal(server.ml.adapters.get(adapterId), "tainted");
  assert.match((await readJob(trainee, jobId)).error ?? "", /deleted/);
  assert.deepEqual((await change(trainee, id, { neverTrain: true })).deletion, NOTHING);
});

Deno.test("a conversation that is never to be trained on makes no samples, by actions or by an import", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { token, messageIds: [, , last = ""] } = trainee;
  const id = await conversationOf(trainee);
  await sendBatch(
    trainee,
    syncBatch([
      syncMessage({
        direction: "outgoing",
        senderId: null,
        text: "On my way",
        sentAt: "2024-01-01T12:05:00Z",
      }),
    ]),
  );
  await change(trainee, id, { neverTrain: true });
  assert.equal(await act(trainee, last), null);
  const imported = async (body: unknown) =>
    await server.expect(SERVER_PATHS.importTrainingSamples, {
      token,
      body,
      schema: importSamplesResponseSchema,
    });
  for (const body of [{}, { conversationIds: [id] }, { dryRun: true }]) {
    const answer = await imported(body);
    assert.deepEqual([answer.imported, answer.examined, answer.skipped.neverTrain], [0, 1, 1]);
  }
  await server.refuse(SERVER_PATHS.startTraining, {
    token,
    body: { baseModel: "m" },
    status: 400,
    code: "validation_failed",
  });
  await change(trainee, id, { neverTrain: false });
  assert.equal((await imported({})).imported, 1);
});

Deno.test("samples of messages that move into such a conversation go", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const guid = crypto.randomUUID();
  await sendBatch(sender, syncBatch([syncMessage({ imessageGuid: guid })]));
  const [message] = await sendConversation(sender, { lines: [[JOHN, "x"]], conversationImessageId: "new" });
  await change(sender, message?.conversationId ?? "", { neverTrain: true });
  const moving = (await idsOf(sender, "neverTrain=false"))[0] ?? "";
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: moving });
  const schema = z.object({ messages: z.array(z.object({ id: z.string() })) });
  const { messages: [first] } = await server.expect(path, { token: sender.token, schema });
  assert.notEqual(await act(sender, first?.id ?? ""), null);
  await sendBatch(
    sender,
    syncBatch([syncMessage({ imessageGuid: guid })], { conversationImessageId: "new" }),
  );
  assert.equal(await sampleTotal(sender), 0);
});
