/** Tests which adapter an account's drafts are made with, and what happens when ml does not serve it. */
import assert from "node:assert/strict";
import { serverHealthSchema } from "../../contract/health.ts";
import { modelsResponseSchema } from "../../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { generatedResponseSchema, responseRecordSchema } from "../../contract/responses.ts";
import {
  draftFor,
  pairTrainee,
  promote,
  readModels,
  REFUSED,
  startWithSamples,
  trainAdapter,
} from "../../tests/support/server/trainee.ts";

const POST = { method: "POST" };

Deno.test("an account without adapters has the base model, and nothing to roll back", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const acceptance = {
    labels: 3,
    positives: 1,
    method: "prior",
    ece: null,
    bins: [],
    positivesAtHalfCoverage: null,
  };
  const trigger = { ...acceptance, labels: 1, positives: 0 };
  const base = {
    promotedAdapterId: null,
    texting: null,
    canRollback: false,
    adapters: [],
    acceptance,
    trigger,
  };
  assert.deepEqual(await readModels(trainee), { baseModel: "test-model", ...base });
  const { message } = await server.refuse(SERVER_PATHS.rollBackAdapter, {
    ...POST,
    token: trainee.token,
    status: 409,
    code: "conflict",
  });
  assert.match(message, /base model/);
  await server.ml.goDown();
  assert.deepEqual(await readModels(trainee), { baseModel: null, ...base });
  await server.ml.comeBack();
});

Deno.test("drafts are made with the promoted adapter, and say so", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [messageId = ""] = trainee.messageIds;
  const adapterId = await trainAdapter(trainee);
  assert.equal((await draftFor(trainee, messageId)).modelVersion, "test-model");
  const unpromoted = server.ml.generated.at(-1);
  assert.deepEqual([unpromoted?.adapter_id, unpromoted?.texting], [undefined, true]);
  const models = await promote(trainee, adapterId);
  assert.deepEqual([models.promotedAdapterId, models.canRollback], [adapterId, true]);
  const draft = await draftFor(trainee, messageId);
  const promoted = server.ml.generated.at(-1);
  assert.deepEqual([promoted?.adapter_id, promoted?.texting], [adapterId, undefined]);
  assert.equal(draft.modelVersion, `test-model+${adapterId}`);
});

Deno.test("background drafts are made with the promoted adapter too", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  const { token, messageIds: [messageId] } = trainee;
  const { responseId } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId, async: true },
    status: 202,
    schema: generatedResponseSchema,
  });
  await server.jobs.waitFor(responseId);
  const path = pathOf(SERVER_PATHS.response, { id: responseId });
  const { modelVersion } = await server.expect(path, { token, schema: responseRecordSchema });
  assert.equal(modelVersion, `test-model+${adapterId}`);
});

Deno.test("rolling back goes to the adapter before, then to the base model", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [first, second] = [await trainAdapter(trainee), await trainAdapter(trainee)];
  await promote(trainee, first);
  await promote(trainee, second);
  const used: (string | undefined)[] = [];
  for (const expected of [first, null]) {
    const models = await server.expect(SERVER_PATHS.rollBackAdapter, {
      ...POST,
      token: trainee.token,
      schema: modelsResponseSchema,
    });
    assert.deepEqual([models.promotedAdapterId, models.canRollback], [expected, expected !== null]);
    await draftFor(trainee, trainee.messageIds[0] ?? "");
    used.push(server.ml.generated.at(-1)?.adapter_id);
  }
  assert.deepEqual(used, [first, undefined]);
});

Deno.test("an adapter that the gate did not offer is refused with a sentence", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee, { offered: false });
  const { message } = await server.refuse(pathOf(SERVER_PATHS.promoteAdapter, { adapterId }), {
    ...POST,
    token: trainee.token,
    status: 409,
    code: "conflict",
  });
  assert.equal(message, `The adapter is not offered: ${REFUSED}`);
  const { promotedAdapterId, adapters } = await readModels(trainee);
  assert.equal(promotedAdapterId, null);
  assert.deepEqual(adapters.map(({ id, offerReason }) => [id, offerReason]), [[adapterId, REFUSED]]);
});

for (
  const [state, fault] of [
    ["gone", "unknown"],
    ["tainted", "refused"],
    ["damaged", "damaged"],
    ["unproven", "unproven"],
  ] as const
) {
  Deno.test(`when ml has the promoted adapter as ${state}, the base model drafts and the account sees why`, async () => {
    const trainee = await startWithSamples();
    await using server = trainee.server;
    const [messageId = ""] = trainee.messageIds;
    const adapterId = await trainAdapter(trainee);
    await promote(trainee, adapterId);
    if (state === "gone") server.ml.adapters.delete(adapterId);
    else server.ml.adapters.set(adapterId, state);
    const before = server.ml.generated.length;
    const draft = await draftFor(trainee, messageId);
    assert.deepEqual([draft.status, draft.modelVersion, draft.adapter], ["completed", "test-model", null]);
    const asked = server.ml.generated.slice(before).map(({ adapter_id }) => adapter_id);
    assert.deepEqual(asked, [adapterId, undefined]);
    const [adapter] = (await readModels(trainee)).adapters;
    assert.deepEqual([adapter?.state, adapter?.fault], ["promoted", fault]);
    const line = server.logLines.find((text) => text.includes(adapterId)) ?? "";
    const { responseId, adapterId: logged } = JSON.parse(line);
    assert.deepEqual([responseId, logged], [draft.responseId, adapterId]);
    server.ml.adapters.set(adapterId, "ready");
    assert.equal((await draftFor(trainee, messageId)).modelVersion, `test-model+${adapterId}`);
    assert.equal((await readModels(trainee)).adapters[0]?.fault, null);
  });
}

Deno.test("a draft, the models and the health show the proof that the adapter is applied", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const [messageId = ""] = trainee.messageIds;
  const id = await trainAdapter(trainee);
  await promote(trainee, id);
  const draft = await draftFor(trainee, messageId);
  const applied = { id, sha256: "ab".repeat(32), probe: "agrees", shift: 0.5, expectedShift: 0.49 };
  assert.deepEqual(draft.adapter, applied);
  assert.equal((await readModels(trainee)).adapters[0]?.applied, null, "ml has not loaded it");
  const { expectedShift: expected_shift, ...proof } = applied;
  server.ml.health = {
    ...server.ml.health,
    adapters: [{ ...proof, probe: "refused", expected_shift }, {
      ...proof,
      id: "texting",
      probe: "agrees",
      expected_shift,
    }],
  };
  const models = await readModels(trainee);
  assert.deepEqual(models.adapters[0]?.applied, { ...applied, probe: "refused" });
  assert.deepEqual(models.texting, { ...applied, id: "texting" });
  server.clock.now = new Date(server.clock.now.getTime() + 10_000);
  const health = await server.expect(SERVER_PATHS.health, { schema: serverHealthSchema });
  assert.deepEqual(health.adapters, { agrees: 1, measured: 0, refused: 1 });
});

Deno.test("when ml itself fails there is no second try without the adapter", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  await promote(trainee, await trainAdapter(trainee));
  const before = server.ml.generated.length;
  server.ml.behaviour = { kind: "fail", code: "model_not_loaded" };
  await server.refuse(SERVER_PATHS.generateResponse, {
    token: trainee.token,
    body: { messageId: trainee.messageIds[0] },
    status: 503,
    code: "model_not_loaded",
  });
  assert.equal(server.ml.generated.length, before + 1);
});

Deno.test("promotions at once end with exactly one promoted adapter", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const ids = [await trainAdapter(trainee), await trainAdapter(trainee), await trainAdapter(trainee)];
  const answers = await Promise.all(ids.map((id) => promote(trainee, id)));
  for (const { adapters } of answers) {
    assert.ok(adapters.filter(({ state }) => state === "promoted").length === 1);
  }
  const { promotedAdapterId, adapters } = await readModels(trainee);
  assert.ok(ids.includes(promotedAdapterId ?? ""));
  assert.deepEqual(adapters.map(({ state }) => state).sort(), ["promoted", "retired", "retired"]);
  assert.equal(server.ml.generated.length, 3, "nothing but the trainee's drafts was asked of ml");
});

Deno.test("an account neither sees nor promotes nor is served another's adapter", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const adapterId = await trainAdapter(trainee);
  await promote(trainee, adapterId);
  const stranger = await pairTrainee(server);
  assert.deepEqual((await readModels(stranger)).adapters, []);
  await server.refuse(pathOf(SERVER_PATHS.promoteAdapter, { adapterId }), {
    ...POST,
    token: stranger.token,
    status: 404,
    code: "not_found",
  });
  await draftFor(stranger, stranger.messageIds[0] ?? "");
  assert.equal(server.ml.generated.at(-1)?.adapter_id, undefined);
  assert.equal((await readModels(trainee)).promotedAdapterId, adapterId);
});

Deno.test("adapters beyond the bound are deleted in ml, once it can be asked", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const ids: string[] = [];
  for (let count = 0; count < 5; count++) {
    ids.push(await trainAdapter(trainee));
    await promote(trainee, ids[count] ?? "");
  }
  await server.ml.goDown();
  await server.reconciler.reconcile();
  await server.ml.comeBack();
  await server.reconciler.reconcile();
  assert.deepEqual([...server.ml.adapters.keys()], ids.slice(1));
  assert.deepEqual(server.ml.orders, [`DELETE /models/adapters/${ids[0]}`]);
});
