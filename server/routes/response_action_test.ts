/** Tests what the person does with a draft: recorded once, together with its training sample. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  generatedResponseSchema,
  type ResponseActionRequest,
  responseActionResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { type TrainingSample, trainingSampleListSchema } from "../../contract/training.ts";
import { relativeEditDistance } from "../../lib/edit_distance.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";

const DRAFT = "Reply number 1";

interface Drafted {
  server: ServerAppUnderTest;
  token: string;
  id: string;
  conversationId: string;
}

async function draft(server: ServerAppUnderTest, response?: string): Promise<Drafted> {
  const { token } = await server.pair();
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"]] });
  server.ml.behaviour = { kind: "answer", response };
  const { responseId } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId: message?.id },
    schema: generatedResponseSchema,
  });
  return { server, token, id: responseId, conversationId: message?.conversationId ?? "" };
}

async function act({ server, token, id }: Drafted, action: ResponseActionRequest) {
  return await server.expect(pathOf(SERVER_PATHS.responseAction, { id }), {
    token,
    body: action,
    schema: responseActionResponseSchema,
  });
}

async function samples({ server, token }: Drafted): Promise<TrainingSample[]> {
  const list = await server.expect(SERVER_PATHS.trainingSamples, { token, schema: trainingSampleListSchema });
  return list.samples;
}

/** How much of it is new, beside the half that every reply weighs; the database holds 32 bits. */
const EDITED_QUALITY = Math.fround((1 + relativeEditDistance(DRAFT, "Sure, 7?")) / 2);

const ACTIONS: [
  ResponseActionRequest,
  Pick<TrainingSample, "output" | "rejectedOutput" | "quality" | "source">,
][] = [
  [{ action: "accept" }, { output: DRAFT, rejectedOutput: null, quality: 0.5, source: "accept" }],
  [
    { action: "edit", editedResponse: "Sure, 7?" },
    { output: "Sure, 7?", rejectedOutput: DRAFT, quality: EDITED_QUALITY, source: "edit" },
  ],
  [
    { action: "reject", rejectionReason: "Too formal" },
    { output: "", rejectedOutput: DRAFT, quality: 0, source: "reject" },
  ],
  [{ action: "reject" }, { output: "", rejectedOutput: DRAFT, quality: 0, source: "reject" }],
];

for (const [action, taught] of ACTIONS) {
  const { action: verb, ...details } = action;
  Deno.test(`${verb} ${JSON.stringify(details)} is recorded and teaches what it should, also when repeated`, async () => {
    await using server = await startServerApp();
    const drafted = await draft(server);
    const first = await act(drafted, action);
    assert.equal(first.response.action, verb);
    assert.equal(first.response.editedResponse, action.action === "edit" ? action.editedResponse : null);
    assert.equal(
      first.response.rejectionReason,
      action.action === "reject" ? action.rejectionReason ?? null : null,
    );
    const [sample, ...rest] = await samples(drafted);
    assert.ok(sample);
    assert.deepEqual(rest, []);
    assert.equal(sample.id, first.trainingSampleId);
    const { output, rejectedOutput, quality, source } = sample;
    assert.deepEqual({ output, rejectedOutput, quality: Math.fround(quality), source }, taught);
    assert.deepEqual([sample.responseId, sample.conversationId], [drafted.id, drafted.conversationId]);
    assert.equal(sample.input, server.ml.generated[0]?.prompt, "what is trained is what was asked");
    const again = await act(drafted, action);
    assert.deepEqual(again, first);
    assert.equal((await samples(drafted)).length, 1);
  });
}

Deno.test("another action than the first is refused and changes nothing", async () => {
  await using server = await startServerApp();
  const drafted = await draft(server);
  const { trainingSampleId } = await act(drafted, { action: "edit", editedResponse: "Sure" });
  for (const body of [{ action: "accept" }, { action: "edit", editedResponse: "No" }, { action: "reject" }]) {
    await server.refuse(pathOf(SERVER_PATHS.responseAction, { id: drafted.id }), {
      token: drafted.token,
      body,
      status: 409,
      code: "conflict",
    });
  }
  const [sample] = await samples(drafted);
  assert.deepEqual([sample?.id, sample?.output], [trainingSampleId, "Sure"]);
});

Deno.test("of two different actions at the same moment one is recorded", async () => {
  await using server = await startServerApp();
  const drafted = await draft(server);
  const answers = await Promise.all(["accept", "reject", "accept", "reject"].map(async (action) => {
    const response = await server.request(pathOf(SERVER_PATHS.responseAction, { id: drafted.id }), {
      token: drafted.token,
      body: { action },
    });
    await response.body?.cancel();
    return response.status;
  }));
  assert.deepEqual(answers.sort(), [200, 200, 409, 409]);
  assert.equal((await samples(drafted)).length, 1);
});

Deno.test("an accepted draft without text teaches nothing", async () => {
  await using server = await startServerApp();
  const drafted = await draft(server, "  ");
  assert.equal((await act(drafted, { action: "accept" })).trainingSampleId, null);
  assert.deepEqual(await samples(drafted), []);
});

Deno.test("a draft that failed cannot be acted on", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"]] });
  server.ml.behaviour = { kind: "fail", code: "model_not_loaded" };
  await server.refuse(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId: message?.id },
    status: 503,
    code: "model_not_loaded",
  });
  const { responses } = await server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema });
  await server.refuse(pathOf(SERVER_PATHS.responseAction, { id: responses[0]?.responseId ?? "" }), {
    token,
    body: { action: "accept" },
    status: 409,
    code: "conflict",
  });
});

const BAD_ACTIONS: [unknown, string][] = [
  [{ action: "approve" }, "action"],
  [{}, "action"],
  [{ action: "edit" }, "editedResponse"],
  [{ action: "edit", editedResponse: "" }, "editedResponse"],
  [{ action: "edit", editedResponse: "a\0" }, "editedResponse"],
  [{ action: "reject", rejectionReason: "x".repeat(2_001) }, "rejectionReason"],
];

Deno.test("a faulty action is refused with the path of its fault", async () => {
  await using server = await startServerApp();
  const { token, id } = await draft(server);
  for (const [body, path] of BAD_ACTIONS) {
    const { details } = await server.refuse(pathOf(SERVER_PATHS.responseAction, { id }), {
      token,
      body,
      status: 400,
      code: "validation_failed",
    });
    assert.equal(details?.[0]?.path, path);
  }
});

Deno.test("drafts are listed newest first, of all conversations or of one", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const ids: string[] = [];
  const conversationIds: string[] = [];
  for (const chat of ["a", "b"]) {
    const [message] = await sendConversation({ server, token }, {
      lines: [[JOHN, "Dinner?"]],
      conversationImessageId: chat,
    });
    const body = { messageId: message?.id };
    const { responseId } = await server.expect(SERVER_PATHS.generateResponse, {
      token,
      body,
      schema: generatedResponseSchema,
    });
    ids.unshift(responseId);
    conversationIds.push(message?.conversationId ?? "");
  }
  const all = await server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema });
  assert.deepEqual(all.responses.map(({ responseId }) => responseId), ids);
  const ofFirst = await server.expect(`${SERVER_PATHS.responses}?conversationId=${conversationIds[0]}`, {
    token,
    schema: responseListSchema,
  });
  assert.deepEqual([ofFirst.total, ofFirst.responses[0]?.responseId], [1, ids[1]]);
  const record = await server.expect(pathOf(SERVER_PATHS.response, { id: ids[1] ?? "" }), {
    token,
    schema: responseRecordSchema,
  });
  assert.deepEqual(record, ofFirst.responses[0]);
});
