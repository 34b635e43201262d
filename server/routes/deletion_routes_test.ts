/** Tests deleting conversations and messages: what is removed with them, later drafts, and what ml is sent. */
import assert from "node:assert/strict";
import { z } from "zod";
import { deletionSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
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
  readModels,
  startWithSamples,
  trainAdapter,
} from "../../tests/support/server/trainee.ts";

const totals = z.object({ total: z.int() });

async function remove({ server, token }: Sender, path: string) {
  return await server.expect(path, { method: "DELETE", token, schema: deletionSchema });
}

async function totalOf({ server, token }: Sender, path: string): Promise<number> {
  return (await server.expect(path, { token, schema: totals })).total;
}

Deno.test("a deleted conversation is gone with its drafts and samples, and its adapter is used no more", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { token, messageIds: [messageId = ""] } = trainee;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  const { conversationId } = await draftFor(trainee, messageId).then(async ({ responseId }) => {
    const path = pathOf(SERVER_PATHS.response, { id: responseId });
    return await server.expect(path, { token, schema: z.object({ conversationId: z.string() }) });
  });
  const path = pathOf(SERVER_PATHS.conversation, { id: conversationId });
  assert.deepEqual(await remove(trainee, path), {
    messages: 3,
    responses: 4,
    samples: 3,
    taintedAdapterIds: [adapterId],
  });
  for (const method of ["GET", "DELETE"]) {
    await server.refuse(path, { method, token, status: 404, code: "not_found" });
  }
  for (const list of [SERVER_PATHS.conversations, SERVER_PATHS.responses, SERVER_PATHS.trainingSamples]) {
    assert.equal(await totalOf(trainee, list), 0, list);
  }
  const models = await readModels(trainee);
  assert.deepEqual([models.promotedAdapterId, models.adapters[0]?.state], [null, "tainted"]);
  await server.reconciler.reconcile();
  assert.equal(server.ml.adapters.get(adapterId), "tainted");
});

Deno.test("a deleted message goes from the conversation, and from every prompt that had it", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { token, messageIds: [, second = ""], sampleIds: [accepted] } = trainee;
  const path = pathOf(SERVER_PATHS.message, { id: second });
  // The first question's draft does not know the second question; the drafts of the second and third do.
  assert.deepEqual(await remove(trainee, path), {
    messages: 1,
    responses: 2,
    samples: 2,
    taintedAdapterIds: [],
  });
  const left = await server.expect(SERVER_PATHS.trainingSamples, {
    token,
    schema: z.object({ samples: z.array(z.object({ id: z.string(), input: z.string() })) }),
  });
  assert.deepEqual(left.samples.map(({ id }) => id), [accepted]);
  assert.equal(left.samples[0]?.input.includes("Lunch?"), false);
  await server.refuse(path, { method: "DELETE", token, status: 404, code: "not_found" });
});

Deno.test("a device that sends everything again brings nothing back", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const sent = [syncMessage({ text: "one" }), syncMessage({ text: "two" })];
  const { conversationId } = await sendBatch(sender, syncBatch(sent));
  await remove(sender, pathOf(SERVER_PATHS.conversation, { id: conversationId }));
  const { inserted, updated, unchanged } = await sendBatch(sender, syncBatch(sent));
  assert.deepEqual([inserted, updated, unchanged], [0, 0, 2]);
  assert.equal(await totalOf(sender, SERVER_PATHS.conversations), 0);
  const fresh = syncMessage({ sentAt: new Date().toISOString() });
  const next = await sendBatch(sender, syncBatch([...sent, fresh]));
  assert.equal(next.inserted, 1);
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: next.conversationId });
  assert.equal(await totalOf(sender, path), 1);
  assert.deepEqual(
    await server.expect(SERVER_PATHS.importTrainingSamples, {
      token: sender.token,
      body: {},
      schema: importSamplesResponseSchema,
    }),
    {
      imported: 0,
      examined: 0,
      skipped: { repeated: 0, unprompted: 0, late: 0, automated: 0, neverTrain: 0, unsuitable: 0 },
    },
  );
});

Deno.test("a draft that can be cached is cached under its account, and cleared after a deletion", async () => {
  await using server = await startServerApp();
  const owners = [await server.pair(), await server.pair()];
  const lines = [[JOHN, "Same words?"]] as const;
  const keys: string[] = [];
  let last = "";
  for (const { token } of owners) {
    const [message] = await sendConversation({ server, token }, { lines });
    last = message?.id ?? "";
    for (const temperature of [0, 0, 0.7]) {
      const body = { messageId: last, context: { temperature } };
      await server.expect(SERVER_PATHS.generateResponse, { token, body, schema: z.unknown() });
      keys.push(server.ml.generated.at(-1)?.cache_key ?? "none");
    }
  }
  const [mine = "", again, warm, theirs = ""] = keys;
  assert.deepEqual([again, warm], [mine, "none"]);
  const prefixOf = (key: string) => key.slice(0, key.lastIndexOf(":") + 1);
  assert.notEqual(prefixOf(mine), prefixOf(theirs), "the same words in two accounts are two entries");
  const owner = { server, token: owners[1]?.token ?? "" };
  await remove(owner, pathOf(SERVER_PATHS.message, { id: last }));
  await server.reconciler.reconcile();
  assert.deepEqual(server.ml.orders, [`DELETE /cache${prefixOf(theirs)}*`]);
});

Deno.test("a draft that is being made while its message is deleted ends as if there were none, and is not kept", async () => {
  await using server = await startServerApp();
  const sender = { server, ...await server.pair() };
  const [message] = await sendConversation(sender, { lines: [[JOHN, "Dinner?"]] });
  server.ml.behaviour = { kind: "hang" };
  const drafting = server.refuse(SERVER_PATHS.generateResponse, {
    token: sender.token,
    body: { messageId: message?.id, context: { temperature: 0 } },
    status: 404,
    code: "not_found",
  });
  await server.ml.hanging;
  await remove(sender, pathOf(SERVER_PATHS.message, { id: message?.id ?? "" }));
  await server.reconciler.reconcile();
  server.ml.release();
  await drafting;
  assert.equal(await totalOf(sender, SERVER_PATHS.responses), 0);
  const key = server.ml.generated[0]?.cache_key ?? "";
  assert.equal(server.ml.orders.at(-1), `DELETE /cache${key}`);
});
