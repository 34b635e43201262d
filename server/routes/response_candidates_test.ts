/** Tests drafts to choose from: how they are asked for, shown and stored, and what choosing another than the first teaches. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  type ResponseActionRequest,
  responseActionResponseSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { trainingSampleListSchema } from "../../contract/training.ts";
import { eventsOf } from "../../tests/support/ml/ml_service.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";

const WRITTEN = [
  { response: " the thai place? ", confidence: 0.5, tokens_used: 5 },
  { response: "The thai place!", confidence: 0.4 },
  { response: "you choose", confidence: 0.3, tokens_used: 3 },
  { response: "Luigi's at 7 with Carla", confidence: 0.2, tokens_used: 9 },
  { response: "where do you want to go?", confidence: 0.1 },
];
const SHOWN = ["the thai place?", "you choose", "Luigi's at 7 with Carla"];

/** A figure as a column of single precision holds it. */
function single(value: number | null | undefined): number {
  return Math.fround(value ?? NaN);
}

interface Asked {
  server: ServerAppUnderTest;
  token: string;
  messageId: string | undefined;
}

function candidatesTest(name: string, use: (asked: Asked) => Promise<void>): void {
  Deno.test(name, async () => {
    await using server = await startServerApp();
    server.ml.behaviour = { kind: "answer", candidates: WRITTEN };
    const { token } = await server.pair();
    const lines: [string, string][] = [[JOHN, "Where do you want to go?"]];
    const [message] = await sendConversation({ server, token }, { lines });
    await use({ server, token, messageId: message?.id });
  });
}

function ask(
  { server, token, messageId }: Asked,
  extra: { async?: boolean; candidates?: number } = {},
): Promise<GeneratedResponse> {
  return server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId, candidates: 5, ...extra },
    status: extra.async ? 202 : 200,
    schema: generatedResponseSchema,
  });
}

function act({ server, token }: Asked, id: string, body: ResponseActionRequest) {
  return server.expect(pathOf(SERVER_PATHS.responseAction, { id }), {
    token,
    body,
    schema: responseActionResponseSchema,
  });
}

candidatesTest(
  "candidates come ranked, without near-duplicates and repetitions, and are stored",
  async (asked) => {
    const { server, token } = asked;
    const drafted = await ask(asked);
    assert.equal(server.ml.generated[0]?.n, 5);
    const { candidates } = drafted;
    assert.deepEqual(candidates?.map(({ text }) => text).toSorted(), SHOWN.toSorted());
    assert.deepEqual(candidates?.map(({ id }) => id), [1, 2, 3]);
    const [best] = candidates ?? [];
    assert.deepEqual(
      [drafted.response, single(drafted.confidence), single(drafted.rawConfidence), drafted.unsupported],
      [best?.text, single(best?.confidence), single(best?.rawConfidence), best?.unsupported],
    );
    const luigi = candidates?.find(({ text }) => text.startsWith("Luigi"));
    assert.deepEqual(luigi?.unsupported, ["7", "Carla"]);
    const record = await server.expect(pathOf(SERVER_PATHS.response, { id: drafted.responseId }), {
      token,
      schema: responseRecordSchema,
    });
    assert.deepEqual([record.candidates, record.chosenCandidate], [candidates, null]);
  },
);

candidatesTest("who asks for one gets none to choose from", async (asked) => {
  for (const body of [{ candidates: undefined }, { candidates: 1 }]) {
    const { candidates, response } = await ask(asked, body);
    assert.equal(candidates, null);
    assert.match(response ?? "", /^Reply number/);
  }
  assert.ok(asked.server.ml.generated.every(({ n }) => n === undefined));
});

candidatesTest("a number outside 1 to 5 is refused", async ({ server, token, messageId }) => {
  for (const candidates of [0, 6, 1.5]) {
    const body = { messageId, candidates };
    await server.refuse(SERVER_PATHS.generateResponse, {
      token,
      body,
      status: 400,
      code: "validation_failed",
    });
  }
});

candidatesTest(
  "another candidate can be accepted: it is the draft since, and preferred to the first",
  async (asked) => {
    const { server, token } = asked;
    const { responseId, candidates } = await ask(asked);
    const [first, second] = candidates ?? [];
    assert.ok(first && second);
    const accepted = await act(asked, responseId, { action: "accept", candidate: second.id });
    const { response, confidence, rawConfidence, tokensUsed, chosenCandidate } = accepted.response;
    assert.deepEqual(
      [response, single(confidence), single(rawConfidence), tokensUsed, chosenCandidate],
      [second.text, single(second.confidence), single(second.rawConfidence), second.tokensUsed, second.id],
    );
    assert.deepEqual(accepted.response.candidates, candidates);
    const { samples: [sample] } = await server.expect(SERVER_PATHS.trainingSamples, {
      token,
      schema: trainingSampleListSchema,
    });
    assert.deepEqual(
      [sample?.source, sample?.output, sample?.rejectedOutput, sample?.quality],
      ["accept", second.text, first.text, 0.5],
    );
    assert.deepEqual(await act(asked, responseId, { action: "accept", candidate: second.id }), accepted);
    for (const body of [{ action: "accept" }, { action: "accept", candidate: first.id }]) {
      const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
      await server.refuse(path, { token, body, status: 409, code: "conflict" });
    }
  },
);

candidatesTest("the first one accepted by its id rejects nothing", async (asked) => {
  const { responseId, response } = await ask(asked);
  const accepted = await act(asked, responseId, { action: "accept", candidate: 1 });
  assert.deepEqual([accepted.response.response, accepted.response.chosenCandidate], [response, 1]);
  const { samples: [sample] } = await asked.server.expect(SERVER_PATHS.trainingSamples, {
    token: asked.token,
    schema: trainingSampleListSchema,
  });
  assert.deepEqual([sample?.output, sample?.rejectedOutput], [response, null]);
});

candidatesTest("an edit names the candidate that it began with", async (asked) => {
  const { responseId, candidates } = await ask(asked);
  const editedResponse = "you choose this time";
  const third = candidates?.[2] ?? assert.fail();
  const edited = await act(asked, responseId, { action: "edit", editedResponse, candidate: third.id });
  assert.deepEqual([edited.response.response, edited.response.editedResponse], [third.text, editedResponse]);
  const { samples: [sample] } = await asked.server.expect(SERVER_PATHS.trainingSamples, {
    token: asked.token,
    schema: trainingSampleListSchema,
  });
  assert.deepEqual([sample?.output, sample?.rejectedOutput], [editedResponse, third.text]);
});

candidatesTest(
  "a candidate that the draft does not have is refused, and nothing is recorded",
  async (asked) => {
    const { server, token } = asked;
    const [several, single] = [await ask(asked), await ask(asked, { candidates: 1 })];
    for (const [id, candidate] of [[several.responseId, 4], [single.responseId, 1]] as const) {
      const path = pathOf(SERVER_PATHS.responseAction, { id });
      const body = { action: "accept", candidate };
      await server.refuse(path, { token, body, status: 400, code: "validation_failed" });
      assert.equal((await act(asked, id, { action: "accept" })).response.chosenCandidate, null);
    }
  },
);

candidatesTest("a background draft has candidates too", async (asked) => {
  const { responseId } = await ask(asked, { async: true });
  await asked.server.jobs.waitFor(responseId);
  const record = await asked.server.expect(pathOf(SERVER_PATHS.response, { id: responseId }), {
    token: asked.token,
    schema: responseRecordSchema,
  });
  assert.deepEqual(record.candidates?.map(({ text }) => text).toSorted(), SHOWN.toSorted());
});

candidatesTest("a stream of candidates has its end alone", async ({ server, token, messageId }) => {
  const response = await server.request(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId, candidates: 3 },
    headers: { accept: "text/event-stream" },
  });
  const events = eventsOf(await response.text());
  assert.deepEqual(events.map(({ event }) => event), ["completed"]);
  assert.equal(generatedResponseSchema.parse(events[0]?.data).candidates?.length, 3);
});

candidatesTest(
  "a key answers with the same candidates, and not for another number of them",
  async (asked) => {
    const { server, token, messageId } = asked;
    const send = (candidates: number) =>
      server.request(SERVER_PATHS.generateResponse, {
        token,
        body: { messageId, candidates },
        headers: { "idempotency-key": "k" },
      });
    const first = await (await send(5)).json();
    assert.deepEqual(await (await send(5)).json(), first);
    const other = await send(2);
    assert.equal((await other.json()).code, "idempotency_key_reused");
  },
);
