/** Tests that a held-out message is drafted with an adapter and without it, and that nothing of it stays. */
import assert from "node:assert/strict";
import { comparedDraftsSchema, heldOutRepliesSchema } from "../../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { responseListSchema } from "../../contract/responses.ts";
import { startWithSamples, trainAdapter } from "../../tests/support/server/trainee.ts";

Deno.test("a held-out message is answered by the base model, with examples and with the adapter, and nothing is stored", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { token, sampleIds: [accepted] } = trainee;
  const adapterId = await trainAdapter(trainee, { heldOutIds: [accepted] });
  const { samples } = await server.expect(pathOf(SERVER_PATHS.heldOutReplies, { adapterId }), {
    token,
    schema: heldOutRepliesSchema,
  });
  const [sample] = samples;
  assert.deepEqual(samples.map(({ id }) => id), [accepted]);
  const stored = () => server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema });
  const before = await stored();
  const earlier = server.ml.generated.length;
  const { drafts } = await server.expect(pathOf(SERVER_PATHS.compareDrafts, { adapterId }), {
    token,
    body: { sampleId: accepted },
    schema: comparedDraftsSchema,
  });
  assert.deepEqual(drafts.map(({ by, modelVersion }) => [by, modelVersion]), [
    ["base", "test-model"],
    ["examples", "test-model"],
    ["adapter", `test-model+${adapterId}`],
  ]);
  assert.ok(drafts.every(({ text }) => text !== ""));
  const calls = server.ml.generated.slice(earlier);
  const withAdapter = calls.find(({ adapter_id }) => adapter_id === adapterId);
  const shown = calls.find(({ texting }) => texting === true);
  const plain = calls.find((call) => call !== withAdapter && call !== shown);
  assert.deepEqual([withAdapter?.prompt, plain?.prompt], [sample?.input, sample?.input]);
  // The edited reply is the one that is similar and gives nothing away.
  assert.match(shown?.prompt ?? "", /\nMe: Sure\n/);
  assert.deepEqual(calls.map(({ cache_key }) => cache_key), [undefined, undefined, undefined]);
  assert.deepEqual(await stored(), before);
});

Deno.test("only held-out replies are drafted, none once it is deleted, and none by an adapter that is tainted", async () => {
  const trainee = await startWithSamples();
  await using server = trainee.server;
  const { token, messageIds: [messageId = ""], sampleIds: [accepted, edited] } = trainee;
  const adapterId = await trainAdapter(trainee, { heldOutIds: [accepted] });
  const path = pathOf(SERVER_PATHS.compareDrafts, { adapterId });
  await server.refuse(path, { token, body: { sampleId: edited }, status: 404, code: "not_found" });
  await server.request(pathOf(SERVER_PATHS.message, { id: messageId }), { token, method: "DELETE" });
  assert.deepEqual(
    await server.expect(pathOf(SERVER_PATHS.heldOutReplies, { adapterId }), {
      token,
      schema: heldOutRepliesSchema,
    }),
    { samples: [] },
  );
  await server.refuse(path, { token, body: { sampleId: accepted }, status: 409, code: "conflict" });
});
