/** Tests drafts in the background: queued at once, waiting for ml, cancelled, and recovered by the next server. */
import assert from "node:assert/strict";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  generatedResponseSchema,
  type ResponseRecord,
  responseRecordSchema,
} from "../../contract/responses.ts";
import { recoverDrafts } from "../services/drafts/draft_jobs.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import type { DraftResponse } from "../store/schema.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";

interface Asked {
  server: ServerAppUnderTest;
  token: string;
  id: string;
}

async function sendMessage(server: ServerAppUnderTest): Promise<{ token: string; messageId: string }> {
  const { token } = await server.pair();
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"]] });
  assert.ok(message);
  return { token, messageId: message.id };
}

async function askFor(server: ServerAppUnderTest): Promise<Asked> {
  const { token, messageId } = await sendMessage(server);
  const { responseId, status, response } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId, async: true, context: { temperature: 0.2, maxTokens: 32 } },
    status: 202,
    schema: generatedResponseSchema,
  });
  assert.deepEqual({ status, response }, { status: "queued", response: null });
  return { server, token, id: responseId };
}

async function read({ server, token, id }: Asked): Promise<ResponseRecord> {
  return await server.expect(pathOf(SERVER_PATHS.response, { id }), { token, schema: responseRecordSchema });
}

/** Resolves once the draft's job waits for ml. */
async function waiting({ server, id }: Asked): Promise<void> {
  for await (const job of server.jobs.watch(id)) if (job.waiting !== null && job.state === "queued") return;
}

/** The draft while its job waits for ml; each try at ml makes it `generating` for a moment. */
async function readWaiting(asked: Asked): Promise<ResponseRecord> {
  await waiting(asked);
  const record = await read(asked);
  return record.status === "generating" ? await readWaiting(asked) : record;
}

/** A draft as an earlier run of the server left it in the database. */
async function storeDraft(
  server: ServerAppUnderTest,
  status: "queued" | "generating",
): Promise<{ draft: DraftResponse; token: string }> {
  const { token, messageId } = await sendMessage(server);
  const { store } = server;
  const me = await (await server.request(SERVER_PATHS.currentDevice, { token })).json();
  const devices = await store.devices.listAll({ page: 1, pageSize: 10 });
  const { accountId } = devices.rows.find(({ id }) => id === me.device.id) ?? {};
  assert.ok(accountId);
  const draft = await store.responses.create({
    sourceMessageIds: [],
    accountId,
    deviceId: me.device.id,
    messageId,
    prompt: "Them: Dinner?\nMe:",
    status,
  });
  assert.ok(draft);
  return { draft, token };
}

Deno.test("a background draft is answered at once and completed later with the caller's settings", async () => {
  await using server = await startServerApp();
  const asked = await askFor(server);
  assert.equal((await server.jobs.waitFor(asked.id))?.state, "completed");
  const record = await read(asked);
  assert.deepEqual(
    { status: record.status, response: record.response, rawConfidence: record.rawConfidence },
    { status: "completed", response: "Reply number 1", rawConfidence: 0.75 },
  );
  const [request] = server.ml.generated;
  assert.deepEqual([request?.temperature, request?.max_tokens, request?.background], [0.2, 32, true]);
});

Deno.test("a background draft of a group stops where another person of it would begin", async () => {
  await using server = await startServerApp();
  const { token } = await server.pair();
  const lines = [[JOHN, "Who drives?"], ["me", "I can"], ["lisa@example.org", "Thanks!"]] as const;
  const messages = await sendConversation({ server, token }, { lines, isGroup: true });
  server.ml.behaviour = { kind: "answer", response: "Person 2: At five" };
  const { responseId: id } = await server.expect(SERVER_PATHS.generateResponse, {
    token,
    body: { messageId: messages.at(-1)?.id, async: true },
    status: 202,
    schema: generatedResponseSchema,
  });
  await server.jobs.waitFor(id);
  assert.deepEqual(server.ml.generated[0]?.stop, ["\nThem:", "\nMe:", "\nPerson 1:", "\nPerson 2:"]);
  assert.equal((await read({ server, token, id })).response, "At five");
});

Deno.test("a background draft that an earlier version queued, without sender names, is made", async () => {
  await using server = await startServerApp();
  const { draft: { id, accountId }, token } = await storeDraft(server, "queued");
  await server.jobs.enqueue("draft", { accountId, responseId: id, temperature: 0.7, maxTokens: 9 }, { id });
  await server.jobs.waitFor(id);
  assert.equal((await read({ server, token, id })).status, "completed");
});

Deno.test("a background draft waits while ml is unavailable, and is made once it is back", async () => {
  await using server = await startServerApp();
  await server.ml.goDown();
  const asked = await askFor(server);
  assert.equal((await readWaiting(asked)).status, "queued");
  const job = await server.jobs.get(asked.id);
  assert.equal(job?.waiting?.reason, "ml_unavailable");
  await server.ml.comeBack();
  assert.equal((await server.jobs.waitFor(asked.id))?.state, "completed");
  assert.equal((await read(asked)).status, "completed");
});

Deno.test("a permanent failure ends the background draft with its reason", async () => {
  await using server = await startServerApp();
  server.ml.behaviour = { kind: "fail", code: "validation_failed", message: "The prompt is too odd" };
  const asked = await askFor(server);
  assert.equal((await server.jobs.waitFor(asked.id))?.state, "failed");
  const record = await read(asked);
  assert.deepEqual([record.status, record.error], ["failed", "The prompt is too odd"]);
  assert.equal(server.ml.generated.length, 1);
});

Deno.test("cancelling a background draft at work ends the work of ml", async () => {
  await using server = await startServerApp();
  server.ml.behaviour = { kind: "hang" };
  const asked = await askFor(server);
  await server.ml.hanging;
  assert.equal((await read(asked)).status, "generating");
  const cancelled = await server.expect(pathOf(SERVER_PATHS.cancelResponse, { id: asked.id }), {
    method: "POST",
    token: asked.token,
    schema: responseRecordSchema,
  });
  assert.equal(cancelled.status, "cancelled");
  await server.ml.abandoned;
  assert.equal((await server.jobs.waitFor(asked.id))?.state, "cancelled");
  assert.equal((await read(asked)).status, "cancelled");
});

Deno.test("a server that stops returns its background draft to the queue", async () => {
  await using server = await startServerApp();
  server.ml.behaviour = { kind: "hang" };
  const asked = await askFor(server);
  await server.ml.hanging;
  await server.jobs.stop();
  await server.ml.abandoned;
  assert.equal((await server.jobs.get(asked.id))?.state, "queued");
  assert.equal((await read(asked)).status, "queued");
});

Deno.test("after a crash, drafts that no job carries are failed and the others are left to their jobs", async () => {
  await using server = await startServerApp();
  const { store } = server;
  await server.ml.goDown();
  const carried = await askFor(server);
  await waiting(carried);
  const { draft: orphan, token } = await storeDraft(server, "generating");
  await recoverDrafts({ responses: store.responses, jobs: server.jobs });
  const record = await read({ server, token, id: orphan.id });
  assert.equal(record.status, "failed");
  assert.match(record.error ?? "", /server ended/);
  // Its job tries again every few milliseconds, so it may be under way at this moment.
  assert.match((await read(carried)).status, /^(queued|generating)$/);
});
