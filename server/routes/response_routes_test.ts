/** Tests drafting at once: what ml is asked, what is recorded, and how each failure of ml is answered. */
import assert from "node:assert/strict";
import type { ErrorCode } from "../../contract/errors.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import { idSchema } from "../../contract/scalars.ts";
import { parseTranscript } from "../../contract/prompt.ts";
import {
  generatedResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { syncContactsResponseSchema } from "../../contract/sync.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import {
  JOHN,
  type Line,
  sendBatch,
  sendConversation,
  syncBatch,
  syncMessage,
} from "../../tests/support/server/sync_batches.ts";

const LINES: Line[] = [
  [JOHN, "Are you there?"],
  ["me", "Yep"],
  [JOHN, "\uFFFC"],
  [JOHN, "Dinner at 7?"],
];

/** A server with one conversation whose last message waits for an answer. */
async function startWithMessage(settings: Record<string, string> = {}): Promise<{
  server: ServerAppUnderTest;
  token: string;
  messageId: string;
  conversationId: string;
}> {
  const server = await startServerApp({ settings });
  const { token } = await server.pair();
  const last = (await sendConversation({ server, token }, { lines: LINES })).at(-1);
  assert.ok(last);
  return { server, token, messageId: last.id, conversationId: last.conversationId };
}

async function latest(server: ServerAppUnderTest, token: string) {
  const { responses } = await server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema });
  const [response] = responses;
  assert.ok(response);
  return response;
}

Deno.test("a draft is answered as documented and recorded", async () => {
  const { server, token, messageId, conversationId } = await startWithMessage();
  await using _ = server;
  const draft = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    schema: generatedResponseSchema,
  });
  const { responseId, timings, confidence, ...answer } = draft;
  assert.deepEqual(answer, {
    status: "completed",
    response: "Reply number 1",
    rawConfidence: 0.75,
    suggested: true,
    reason: null,
    modelVersion: "test-model",
    tokensUsed: 4,
    adapter: null,
    exampleCount: 0,
    candidates: null,
    unsupported: ["1"],
  });
  assert.equal(timings?.tokens_per_second, 100);
  assert.ok(
    confidence !== null && confidence > 0 && confidence < 0.5,
    "a fact that nobody has said is in it",
  );
  const record = await server.expect(pathOf(SERVER_PATHS.response, { id: responseId }), {
    token,
    schema: responseRecordSchema,
  });
  assert.deepEqual(
    { ...record, createdAt: "", completedAt: "" },
    {
      ...draft,
      conversationId,
      messageId,
      error: null,
      action: null,
      editedResponse: null,
      chosenCandidate: null,
      rejectionReason: null,
      createdAt: "",
      completedAt: "",
      actedAt: null,
      sentReply: null,
    },
  );
  assert.notEqual(record.completedAt, null);
});

Deno.test("ml is asked with a transcript of the conversation and the caller's settings", async () => {
  const { server, token, messageId, conversationId } = await startWithMessage();
  await using _ = server;
  await server.expect(SERVER_PATHS.syncContacts, {
    token,
    body: { contacts: [{ phoneNumber: JOHN, displayName: "Johnny" }] },
    schema: syncContactsResponseSchema,
  });
  await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: {
      messageId,
      context: { maxHistory: 10, includeContactInfo: true, temperature: 0.3, maxTokens: 64 },
    },
    schema: generatedResponseSchema,
  });
  const [request] = server.ml.generated;
  assert.deepEqual(
    { temperature: request?.temperature, max: request?.max_tokens, id: request?.conversation_id },
    { temperature: 0.3, max: 64, id: conversationId },
  );
  assert.deepEqual(
    [request?.top_p, request?.top_k, request?.min_p, request?.repeat_penalty],
    [1, 0, 0.05, 1],
  );
  assert.deepEqual([request?.background, idSchema.safeParse(request?.account_id).success], [false, true]);
  const transcript = parseTranscript(request?.prompt ?? "");
  assert.match(transcript?.system ?? "", /Johnny/);
  assert.deepEqual(transcript?.turns, [
    { speaker: "them", text: "Are you there?" },
    { speaker: "me", text: "Yep" },
    { speaker: "them", text: "Dinner at 7?" },
  ]);
});

Deno.test("maxHistory counts earlier messages, and contact information can be kept out", async () => {
  const { server, token, messageId } = await startWithMessage({ DRAFT_EXAMPLES: "off" });
  await using _ = server;
  await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId, context: { maxHistory: 0, includeContactInfo: false } },
    schema: generatedResponseSchema,
  });
  const transcript = parseTranscript(server.ml.generated[0]?.prompt ?? "");
  assert.deepEqual(transcript?.turns, [{ speaker: "them", text: "Dinner at 7?" }]);
  assert.equal(transcript?.system?.includes("John"), false);
});

Deno.test("only an incoming message with text can be answered", async (t) => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const [mine, empty, picture] = await sendConversation({ server, token }, {
    lines: [["me", "Hi"], [JOHN, null], [JOHN, "\uFFFC"]],
  });
  const unsent = syncMessage({ retractedAt: "2024-01-01T12:30:00Z", sentAt: "2024-01-01T12:20:00Z" });
  await sendBatch({ server, token }, syncBatch([unsent]));
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: mine?.conversationId ?? "" });
  const { messages } = await (await server.request(path, { token })).json();
  const bad = {
    "sent by the owner": mine?.id,
    "without text": empty?.id,
    "a picture": picture?.id,
    unsent: messages[0].id,
  };
  for (const [what, messageId] of Object.entries(bad)) {
    await t.step(what, async () => {
      const { details } = await server.refuse(SERVER_PATHS.generateResponse, {
        token,
        body: { messageId },
        status: 400,
        code: "validation_failed",
      });
      assert.equal(details?.[0]?.path, "messageId");
    });
  }
  await server.refuse(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId: crypto.randomUUID() },
    status: 404,
    code: "not_found",
  });
  assert.equal(server.ml.generated.length, 0);
});

const BAD_REQUESTS: [unknown, string][] = [
  [{ messageId: "x" }, "messageId"],
  [{}, "messageId"],
  [{ messageId: crypto.randomUUID(), context: { temperature: 3 } }, "context.temperature"],
  [{ messageId: crypto.randomUUID(), context: { maxTokens: 0 } }, "context.maxTokens"],
  [{ messageId: crypto.randomUUID(), context: { maxHistory: -1 } }, "context.maxHistory"],
  [{ messageId: crypto.randomUUID(), async: "yes" }, "async"],
];

Deno.test("an id may be written in capitals, as macOS writes UUIDs", async () => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  const body = { messageId: messageId.toUpperCase() };
  const schema = generatedResponseSchema;
  const { status } = await server.expect(SERVER_PATHS.generateResponse, { token, body, schema });
  assert.equal(status, "completed");
  assert.equal((await latest(server, token)).messageId, messageId);
});

Deno.test("a faulty request is refused with the path of its fault", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  for (const [body, path] of BAD_REQUESTS) {
    const { details } = await server.refuse(SERVER_PATHS.generateResponse, {
      token,
      body,
      status: 400,
      code: "validation_failed",
    });
    assert.equal(details?.[0]?.path, path);
  }
});

const ML_FAILURES: [ErrorCode, number, ErrorCode][] = [
  ["model_not_loaded", 503, "model_not_loaded"],
  ["queue_full", 503, "queue_full"],
  ["unauthorized", 503, "ml_unavailable"],
  ["internal", 503, "ml_unavailable"],
];

Deno.test("a failure of ml is answered as what it means, with when to try again, and recorded", async (t) => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  const assertFails = async (status: number, code: ErrorCode) => {
    const response = await server.request(SERVER_PATHS.generateResponse, { token, body: { messageId } });
    assert.deepEqual({ status: response.status, code: (await response.json()).code }, { status, code });
    assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
    const record = await latest(server, token);
    assert.equal(record.status, "failed");
    assert.ok(record.error);
  };
  for (const [code, status, answered] of ML_FAILURES) {
    await t.step(code, async () => {
      server.ml.behaviour = { kind: "fail", code, retryAfterSeconds: 7 };
      await assertFails(status, answered);
    });
  }
  await t.step("an answer of unknown shape", async () => {
    server.ml.behaviour = { kind: "garbage" };
    await assertFails(503, "ml_unavailable");
  });
  await t.step("nobody listens", async () => {
    await server.ml.goDown();
    await assertFails(503, "ml_unavailable");
    await server.ml.comeBack();
  });
});

Deno.test("ml's own wish when to try again is passed on", async () => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  server.ml.behaviour = { kind: "fail", code: "queue_full", retryAfterSeconds: 7 };
  const response = await server.request(SERVER_PATHS.generateResponse, { token, body: { messageId } });
  assert.equal(response.headers.get("retry-after"), "7");
  await response.body?.cancel();
});

Deno.test("a client that disconnects stops ml, and the draft is recorded as cancelled", async () => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  server.ml.behaviour = { kind: "hang" };
  const client = new AbortController();
  const asked = server.request(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    signal: client.signal,
  });
  await server.ml.hanging;
  client.abort();
  await server.ml.abandoned;
  assert.equal((await asked).status, 499);
  assert.equal((await latest(server, token)).status, "cancelled");
});

Deno.test("a draft that is cancelled by another request ends the work of ml and is answered as cancelled", async () => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  server.ml.behaviour = { kind: "hang" };
  const asked = server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    schema: generatedResponseSchema,
  });
  await server.ml.hanging;
  const { responseId: id, status } = await latest(server, token);
  assert.equal(status, "generating");
  const cancel = { method: "POST", token };
  const path = pathOf(SERVER_PATHS.cancelResponse, { id });
  assert.equal((await server.expect(path, { ...cancel, schema: responseRecordSchema })).status, "cancelled");
  await server.ml.abandoned;
  assert.equal((await asked).status, "cancelled");
  assert.equal((await server.expect(path, { ...cancel, schema: responseRecordSchema })).status, "cancelled");
});

Deno.test("a finished draft cannot be cancelled", async () => {
  const { server, token, messageId } = await startWithMessage();
  await using _ = server;
  const { responseId: id } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId },
    schema: generatedResponseSchema,
  });
  const refusal = { method: "POST", token, status: 409, code: "conflict" } as const;
  await server.refuse(pathOf(SERVER_PATHS.cancelResponse, { id }), refusal);
});
