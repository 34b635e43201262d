/** Tests the webhook against a real receiver: what it gets, how that is verified, and a receiver that fails or redirects. */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo } from "node:net";
import { createServer } from "node:http";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { generatedResponseSchema } from "../../contract/responses.ts";
import { Notifier } from "../../lib/async.ts";
import { createTestDatabase } from "../../tests/support/postgres/postgres.ts";
import { type ServerAppUnderTest, startServerApp } from "../../tests/support/server/server_app.ts";
import { JOHN, sendConversation } from "../../tests/support/server/sync_batches.ts";
import { sendMessage, startTwoServers } from "../../tests/support/server/two_servers.ts";
import { serverConfigFrom } from "../config.ts";

const SECRET = "a webhook secret for tests, 32 bytes or more";

interface Received {
  path: string;
  body: { id: string; event: string; createdAt: string; data: { responseId: string } };
  isSigned: boolean;
}

/** Verifies as docs/operations.md shows it. */
function isSigned(
  secret: string,
  { timestamp, signature, body }: Record<"timestamp" | "signature" | "body", string>,
) {
  const expected = Buffer.from(
    "sha256=" + createHmac("sha256", secret).update(timestamp).update(".").update(body).digest("hex"),
  );
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** A receiver that answers the first requests with these statuses, and the others with 204. */
async function startReceiver(statuses: number[] = []) {
  const received: Received[] = [];
  const news = new Notifier();
  const server = createServer((request, answer) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const header = (name: string) => String(request.headers[name]);
      const timestamp = header("x-webhook-timestamp");
      const signature = header("x-webhook-signature");
      received.push({
        path: request.url ?? "",
        body: JSON.parse(body || "{}"),
        isSigned: isSigned(SECRET, { timestamp, signature, body }) &&
          !isSigned(SECRET, { timestamp: String(Number(timestamp) + 1), signature, body }),
      });
      answer.writeHead(statuses.shift() ?? 204, { location: "/elsewhere" }).end();
      news.notify();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/`,
    async until(isEnough: () => boolean) {
      for (let next = news.next; !isEnough(); next = news.next) await next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function draftAt(server: ServerAppUnderTest): Promise<string> {
  const { token } = await server.pair();
  const [message] = await sendConversation({ server, token }, { lines: [[JOHN, "Dinner at eight?"]] });
  const body = { messageId: message?.id };
  const schema = generatedResponseSchema;
  return (await server.expect(SERVER_PATHS.generateResponse, { token, body, schema })).responseId;
}

Deno.test("a completed draft is reported with its ids alone, signed, until the receiver takes it, and no redirect is followed", async () => {
  await using receiver = await startReceiver([503, 302, 500]);
  await using app = await startServerApp({ settings: { WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET } });
  const responseId = await draftAt(app);
  await receiver.until(() => receiver.received.length === 4);
  const [first] = receiver.received;
  assert.ok(first);
  assert.deepEqual(
    receiver.received.map(({ path, isSigned }) => [path, isSigned]),
    Array(4).fill(["/hook/", true]),
  );
  assert.deepEqual(receiver.received.map(({ body }) => body), Array(4).fill(first.body), "with the same id");
  assert.deepEqual(Object.keys(first.body).toSorted(), ["createdAt", "data", "event", "id"]);
  assert.equal(first.body.event, "response:completed");
  assert.deepEqual(Object.keys(first.body.data).toSorted(), [
    "conversationId",
    "messageId",
    "responseId",
    "status",
  ]);
  assert.equal(first.body.data.responseId, responseId);
});

Deno.test("what a server that ended had not reported, the next one does", async () => {
  await using database = await createTestDatabase();
  await using receiver = await startReceiver();
  let responseId: string;
  {
    await using app = await startServerApp({ store: database.stores });
    responseId = await draftAt(app);
  }
  const settings = { WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET };
  await using _app = await startServerApp({ store: database.stores, settings });
  await receiver.until(() => receiver.received.length === 1);
  assert.equal(receiver.received[0]?.body.data.responseId, responseId);
});

Deno.test("two servers on one database report each draft by one id, also when one of them is killed", async () => {
  await using receiver = await startReceiver();
  await using servers = await startTwoServers({ WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: SECRET });
  const { atFirst, atSecond } = servers;
  const drafted: string[] = [];
  // A server that is killed may have sent one that its successor sends again.
  const reported = () => new Map(receiver.received.map(({ body }) => [body.id, body.data.responseId]));
  for (const client of [atFirst, atSecond, atFirst, atSecond, atFirst]) {
    const body = { messageId: await sendMessage(client) };
    const schema = generatedResponseSchema;
    drafted.push((await client.request("POST", SERVER_PATHS.generateResponse, { body, schema })).responseId);
  }
  await receiver.until(() => reported().size === drafted.length);
  servers.first.server.kill();
  await servers.first.restartServer();
  const body = { messageId: await sendMessage(atSecond) };
  const schema = generatedResponseSchema;
  drafted.push((await atSecond.request("POST", SERVER_PATHS.generateResponse, { body, schema })).responseId);
  await receiver.until(() => reported().size === drafted.length);
  assert.deepEqual([...reported().values()].toSorted(), drafted.toSorted());
});

Deno.test("a webhook without a secret, with a short one, or with a password in its address is refused at the start", () => {
  const WEBHOOK_URL = "https://example.com/hook";
  assert.throws(() => serverConfigFrom({ WEBHOOK_URL }), /WEBHOOK_SECRET must be set/);
  assert.throws(
    () => serverConfigFrom({ WEBHOOK_URL, WEBHOOK_SECRET: "short" }),
    /WEBHOOK_SECRET must be at least 32/,
  );
  for (const url of ["https://me:pass@example.com/", "ftp://example.com/", "example.com"]) {
    const refused = () => serverConfigFrom({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET });
    assert.throws(
      refused,
      (error: Error) => /WEBHOOK_URL must be/.test(error.message) && !error.message.includes("pass@"),
    );
  }
});
