/** Tests requests for drafts with an `Idempotency-Key`: sent again, at once or later, they make one draft. */
import assert from "node:assert/strict";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  responseListSchema,
} from "../../contract/responses.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";

interface Account {
  server: ServerAppUnderTest;
  token: string;
  messageIds: string[];
}

async function newAccount(server: ServerAppUnderTest): Promise<Account> {
  const { token } = await server.pair();
  const sent = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner?"], [JOHN, "At eight?"]] });
  return { server, token, messageIds: sent.map(({ id }) => id) };
}

function requestOf(
  { token, messageIds }: Account,
  key: string,
  change: { async?: boolean; at?: number } = {},
) {
  const { async = false, at = 0 } = change;
  return { token, headers: { "idempotency-key": key }, body: { messageId: messageIds[at], async } };
}

async function ask(
  account: Account,
  key: string,
  change: { async?: boolean; at?: number } = {},
): Promise<GeneratedResponse> {
  return await account.server.expect(SERVER_PATHS.generateResponse, {
    ...requestOf(account, key, change),
    status: change.async ? 202 : 200,
    schema: generatedResponseSchema,
  });
}

async function draftCount({ server, token }: Account): Promise<number> {
  return (await server.expect(SERVER_PATHS.responses, { token, schema: responseListSchema })).total;
}

for (const async of [false, true]) {
  Deno.test(`requests with one key, together and again, make one draft: ${async ? "queued" : "at once"}`, async () => {
    await using server = await startServerApp();
    const account = await newAccount(server);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(account, "k1", { async })));
    answers.push(await ask(account, "k1", { async }));
    assert.equal(new Set(answers.map(({ responseId }) => responseId)).size, 1);
    if (!async) {
      assert.ok(answers.every(({ status, response }) => status === "completed" && response !== null));
    }
    assert.equal(await draftCount(account), 1);
    assert.notEqual((await ask(account, "k2", { async })).responseId, answers[0]?.responseId);
  });
}

Deno.test("a key that was sent with another request is refused with 422, in its own account only", async () => {
  await using server = await startServerApp();
  const account = await newAccount(server);
  await ask(account, "k1");
  for (const change of [{ at: 1 }, { async: true }]) {
    await server.refuse(SERVER_PATHS.generateResponse, {
      ...requestOf(account, "k1", change),
      status: 422,
      code: "idempotency_key_reused",
    });
  }
  const stranger = await newAccount(server);
  await ask(stranger, "k1");
  assert.equal(await draftCount(stranger), 1);
});

Deno.test("a request that failed frees its key", async () => {
  await using server = await startServerApp();
  const account = await newAccount(server);
  await server.ml.goDown();
  const refusal = { ...requestOf(account, "k1"), status: 503, code: "ml_unavailable" } as const;
  await server.refuse(SERVER_PATHS.generateResponse, refusal);
  server.ml.comeBack();
  assert.equal((await ask(account, "k1")).status, "completed");
});

Deno.test("a key that cannot be one is refused with 400", async () => {
  await using server = await startServerApp();
  const account = await newAccount(server);
  for (const key of ["", "with space", "x".repeat(201)]) {
    const refusal = { ...requestOf(account, key), status: 400, code: "validation_failed" } as const;
    await server.refuse(SERVER_PATHS.generateResponse, refusal);
  }
});
